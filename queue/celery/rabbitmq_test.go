package celery_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

func newRabbit(t *testing.T, url string) *celery.RabbitMQ {
	t.Helper()
	b, err := celery.NewRabbitMQ(url, celery.Options{AnswerTimeout: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// A worker on RabbitMQ runs each resumed job once; what it holds gets no second task.
func TestAWorkerOnRabbitMQRunsEachResumedJobOnce(t *testing.T) {
	t.Parallel()
	jobs := resumedJobs(t, 150)
	url := testenv.NewVHost(t)
	b := newRabbit(t, url)
	p := newPlatform(t, queue.Settings{Broker: b})
	p.fill(t, jobs)
	if f, err := b.Workers(t.Context()); err != nil || len(f.Alive) != 0 || f.Silent != 0 {
		t.Fatalf("no worker: %+v, %v", f, err)
	}
	w := testenv.StartCeleryWorker(t, url, p.db.URL, servers.CeleryOptions{})
	f, err := b.Workers(t.Context())
	if err != nil || len(f.Alive) != 1 || f.Alive[0] != w.Name || !f.Registered["process_job_task"] || f.Doubt != "" {
		t.Fatalf("one worker: %+v, %v", f, err)
	}
	p.runOnce(t, jobs)
}

// Without a queue the server returns the messages: the jobs fail after the attempts.
func TestUnroutableTasksFail(t *testing.T) {
	t.Parallel()
	b := newRabbit(t, testenv.NewVHost(t))
	p := newPlatform(t, queue.Settings{Broker: b, MaxAttempts: 3, RetryDelay: time.Millisecond})
	p.pending(t, 3)
	p.open(t)
	r, err := p.queue.Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{})
	if err != nil || r.JobsFailed != 3 || r.TasksCreated != 0 || r.OutboxPending != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := p.db.Expect(`SELECT bool_and(status = 'FAILED' AND error LIKE 'Failed to create celery task during resume: RabbitMQ has no queue "celery"%') FROM jobs`); err != nil {
		t.Error(err)
	}
	if err := p.db.Expect(`SELECT count(*) = 3 AND bool_and(attempts = 3) FROM leadgenctl.dispatch_failures`); err != nil {
		t.Error(err)
	}
}

// Our message on RabbitMQ against Celery's own, field by field.
func TestMessageOnRabbitMQEqualsCelerys(t *testing.T) {
	t.Parallel()
	url := testenv.NewVHost(t)
	p := newPlatform(t, queue.Settings{})
	testenv.RunCelery(t, url, p.db.URL, `
import leadgen_worker
leadgen_worker.process_job_task.delay(job_id=7, job_type="FETCH_LEADS", campaign_id="c-1")
`)
	theirs := get(t, url)
	out, err := newRabbit(t, url).Publish(t.Context(), "b", []queue.Task{{ID: "1", Name: "process_job_task",
		Kwargs: []queue.Kwarg{{Name: "job_id", Value: 7}, {Name: "job_type", Value: "FETCH_LEADS"}, {Name: "campaign_id", Value: "c-1"}}}})
	if err != nil || out[0].Outcome != queue.Published {
		t.Fatalf("%v, %v", out, err)
	}
	if diff := cmp.Diff(theirs, get(t, url)); diff != "" {
		t.Errorf("theirs (-), ours (+):\n%s", diff)
	}
}

// get takes one message and returns it without ids and origin.
func get(t *testing.T, url string) map[string]any {
	t.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	d, ok, err := ch.Get("celery", true)
	if err != nil || !ok {
		t.Fatalf("%v, %v", ok, err)
	}
	if d.Headers["id"] != d.CorrelationId || d.Headers["root_id"] != d.CorrelationId || d.ReplyTo == "" {
		t.Errorf("ids: %v", d)
	}
	for _, id := range []string{"id", "root_id", "origin"} {
		delete(d.Headers, id)
	}
	headers, err := json.Marshal(d.Headers)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"headers": string(headers), "body": string(d.Body), "type": d.ContentType, "encoding": d.ContentEncoding,
		"mode": d.DeliveryMode, "priority": d.Priority, "expiration": d.Expiration, "kind": d.Type, "app": d.AppId, "message": d.MessageId}
}

package celery_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

func (p *platform) pending(t testing.TB, n int) testenv.Fixture {
	t.Helper()
	f := p.db.NewCampaign(t, "RUNNING")
	p.exec(t, `INSERT INTO jobs (task_id, name, status, campaign_id) SELECT gen_random_uuid(), 'job', 'PENDING', $1 FROM generate_series(1, $2::int)`, f.CampaignID, n)
	return f
}

func (p *platform) depth(t testing.TB) int64 {
	t.Helper()
	n, _, err := p.broker.Depth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The breaker opens while the canary is watched: the rest stays paused.
func TestRampStopsWhenTheBreakerOpensAgain(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.pending(t, 50)
	p.open(t)
	b, err := breaker.New(p.client, breaker.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	ramp := p.with(t, queue.Settings{Broker: p.broker, Step: once("queue.ramp.canary", func() {
		if _, err := b.RecordFailure(t.Context(), errors.New("502 again")); err != nil {
			t.Error(err)
		}
	})})
	r, err := ramp.Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{Canary: 5, CanaryWait: time.Minute, Rate: 10})
	var partial *queue.PartialError
	if !errors.As(err, &partial) || !errors.Is(err, queue.ErrReopened) || r.JobsResumed != 5 || r.JobsLeft != 45 || r.TasksCreated != 5 {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := p.db.Expect(`SELECT count(*) = 45 FROM jobs WHERE status = 'PAUSED'`); err != nil {
		t.Error(err)
	}
	if r, err := p.queue.Reconcile(t.Context()); err != nil || r.JobsPaused != 5 {
		t.Fatalf("%+v, %v", r, err)
	}
	// Closed at last: the five messages that are queued still make room.
	if r := p.close(t); r.JobsResumed != 50 || r.TasksReused != 5 || r.TasksCreated != 45 || p.depth(t) != 50 {
		t.Fatalf("%+v, depth %d", r, p.depth(t))
	}
}

// A ramp that dies is left alone by reconcile, and continued at its own pace.
func TestRampIsContinued(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.pending(t, 60)
	p.open(t)
	ctx, die := context.WithCancel(t.Context())
	steps := 0
	m := p.with(t, queue.Settings{Broker: p.broker, Step: func(name string) {
		if name == "queue.ramp.step" {
			if steps++; steps == 2 {
				die()
			}
		}
	}})
	if _, err := m.Close(ctx, breaker.CloseOptions{}, queue.ResumeOptions{Batch: 10}); err == nil {
		t.Fatal("the resume was not interrupted")
	}
	if err := p.db.Expect(`SELECT count(*) = 40 FROM jobs WHERE status = 'PAUSED'`); err != nil {
		t.Fatal(err)
	}
	r, err := p.queue.Reconcile(t.Context())
	if err != nil || r.JobsResumed != 0 || len(r.Findings) == 0 || r.Findings[0].Kind != queue.FoundRamp {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := p.queue.ResumeAllJobsOnBreakerClose(t.Context(), queue.ResumeOptions{}); !errors.Is(err, queue.ErrRampUnfinished) {
		t.Fatalf("resume without a word: %v", err)
	}
	r, err = p.queue.ResumeAllJobsOnBreakerClose(t.Context(), queue.ResumeOptions{Continue: true})
	if err != nil || r.JobsResumed != 40 || p.depth(t) != 60 {
		t.Fatalf("%+v, %v, depth %d", r, err, p.depth(t))
	}
	if r, err := p.queue.Reconcile(t.Context()); err != nil || len(r.Findings) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
}

func (p *platform) with(t testing.TB, s queue.Settings) *queue.Manager {
	t.Helper()
	b, err := breaker.New(p.client, breaker.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := queue.New(p.db.Pool, b, s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The broker is cut off while the breaker closes: the outbox keeps every task.
func TestBrokerAwayLeavesTheOutbox(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.pending(t, 30)
	p.open(t)
	proxy := testenv.StartProxy(t, p.redis.Addr())
	client := redis.NewClient(&redis.Options{Addr: proxy.Addr(), MaxRetries: -1})
	defer client.Close()
	broker, err := celery.NewRedis(client, celery.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m := p.with(t, queue.Settings{Broker: broker, RetryDelay: time.Millisecond})
	proxy.Cut()
	r, err := m.Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{})
	if !errors.Is(err, queue.ErrBrokerAway) || r.JobsResumed != 30 || r.OutboxPending != 30 {
		t.Fatalf("%+v, %v", r, err)
	}
	if d, err := m.Relay(t.Context(), queue.RelayOptions{}); !errors.Is(err, queue.ErrBrokerAway) || d.OutboxPending != 30 {
		t.Fatalf("%+v, %v", d, err)
	}
	if err := proxy.Mend(); err != nil {
		t.Fatal(err)
	}
	d, err := m.Relay(t.Context(), queue.RelayOptions{})
	if err != nil || d.TasksCreated != 30 || d.OutboxPending != 0 || p.depth(t) != 30 {
		t.Fatalf("%+v, %v", d, err)
	}
	if d, err := m.Relay(t.Context(), queue.RelayOptions{}); err != nil || d != (queue.Dispatched{}) {
		t.Fatalf("second relay: %+v, %v", d, err)
	}
}

// Paused jobs' messages leave the queue with --withdraw, and only they.
func TestWithdrawTakesThePausedJobsMessages(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.pending(t, 40)
	p.queueOld(t, "true")
	p.exec(t, "UPDATE jobs SET status = 'CANCELLED' WHERE id % 4 = 0")
	p.open(t)
	if n, err := p.queue.WithdrawPaused(t.Context()); err != nil || n != 30 || p.depth(t) != 10 {
		t.Fatalf("%d, %v, depth %d", n, err, p.depth(t))
	}
	if r := p.close(t); r.TasksCreated != 30 || r.TasksReused != 0 || p.depth(t) != 40 {
		t.Fatalf("%+v", r)
	}
}

// A worker dies with a job: reserved messages are taken over, running ones made anew.
func TestJobsOfADeadWorkerGetNewTasks(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.pending(t, 4)
	w := p.worker(t, servers.CeleryOptions{TaskSeconds: 600, Concurrency: 1})
	p.queueOld(t, "true")
	testenv.Eventually(t, 20*time.Second, func() error {
		return p.db.Expect(`SELECT count(*) = 1 FROM jobs WHERE status = 'PROCESSING'`)
	})
	testenv.Eventually(t, 20*time.Second, func() error {
		if n := p.client.HLen(t.Context(), "unacked").Val(); n == 0 {
			return errors.New("nothing is reserved")
		}
		return nil
	})
	w.Kill()
	testenv.Eventually(t, 20*time.Second, func() error {
		f, err := p.broker.Workers(t.Context())
		if err == nil && len(f.Alive)+f.Silent > 0 {
			err = errors.New("the worker still listens")
		}
		return err
	})
	p.open(t)
	r := p.close(t)
	if r.JobsResumed != 4 || r.JobsStillRunning != 0 || r.TasksCreated != 1 || r.TasksReused != 3 {
		t.Fatalf("%+v", r)
	}
	if n := p.client.HLen(t.Context(), "unacked").Val(); n != 0 || p.depth(t) != 4 {
		t.Fatalf("%d reserved, %d queued", n, p.depth(t))
	}
}

// The broker loses everything after the dispatch: reconcile makes the tasks anew.
func TestLostTasksAreMadeAnew(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.fill(t, 30)
	p.open(t)
	p.close(t)
	p.exec(t, "UPDATE leadgenctl.outbox SET published_at = published_at - interval '1 minute'")
	p.exec(t, "UPDATE leadgenctl.superseded_jobs SET at = at - interval '1 minute'")
	if r, err := p.queue.Reconcile(t.Context()); err != nil || len(r.Findings) != 0 {
		t.Fatalf("nothing is lost: %+v, %v", r, err)
	}
	if err := p.client.Del(t.Context(), "celery").Err(); err != nil {
		t.Fatal(err)
	}
	r, err := p.queue.Reconcile(t.Context())
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Kind != queue.FoundLostTasks || r.TasksCreated != 30 || p.depth(t) != 30 {
		t.Fatalf("%+v, %v", r, err)
	}
}

// A worker listens and does not answer: its tasks, and those that are nowhere and may be on
// their way to it, are left alone until a person decides. A job without a task is not.
func TestSilentWorkersTasksAreUnknown(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.pending(t, 3)
	p.exec(t, "UPDATE jobs SET status = 'PROCESSING', task_id = 'busy' WHERE id = 1")
	p.exec(t, "UPDATE jobs SET task_id = NULL WHERE id = 3")
	if err := p.client.Set(t.Context(), "celery-task-meta-busy", `{"status": "STARTED", "result": {"pid": 1, "hostname": "w9@host"}}`, 0).Err(); err != nil {
		t.Fatal(err)
	}
	ears := p.client.Subscribe(t.Context(), "/0.celery.pidbox")
	defer ears.Close()
	if _, err := ears.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.open(t)
	r, err := p.queue.Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{})
	if !errors.Is(err, queue.ErrUnknownHolder) || r.TasksCreated != 1 || r.JobsUnknown != 2 || r.OutboxPending != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	d, err := p.queue.Relay(t.Context(), queue.RelayOptions{AssumeDead: true})
	if err != nil || d.TasksCreated != 2 || p.depth(t) != 3 {
		t.Fatalf("%+v, %v", d, err)
	}
}

// No worker knows the task: nothing is changed, not even the breaker.
func TestUnregisteredTaskIsRefusedFirst(t *testing.T) {
	t.Parallel()
	specs := queue.DefaultTasks()
	specs[queue.FetchLeads] = queue.TaskSpec{Task: "no_such_task"}
	p := newPlatform(t, queue.Settings{Tasks: specs})
	p.pending(t, 1)
	p.worker(t, servers.CeleryOptions{})
	p.open(t)
	if _, err := p.queue.Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{}); !errors.Is(err, queue.ErrUnregistered) {
		t.Fatal(err)
	}
	if v := p.client.Get(t.Context(), breaker.DefaultKey).Val(); v == "" || p.depth(t) != 0 {
		t.Fatalf("%s, depth %d", v, p.depth(t))
	}
	if err := p.db.Expect("SELECT bool_and(status = 'PAUSED') FROM jobs"); err != nil {
		t.Error(err)
	}
}

// A job whose task cannot be made ends FAILED, and can be retried.
func TestAJobWithoutItsLeadFails(t *testing.T) {
	t.Parallel()
	var told []queue.Failure
	p := newPlatform(t, queue.Settings{OnFailure: func(f queue.Failure) { told = append(told, f) }})
	f := p.db.NewCampaign(t, "RUNNING", testenv.Job{Type: "ENRICH_LEAD"})
	p.open(t)
	if r := p.close(t); r.JobsFailed != 1 || r.TasksCreated != 0 || len(told) != 1 {
		t.Fatalf("%+v, told %v", r, told)
	}
	if err := p.db.Expect(`SELECT status = 'FAILED' AND error = 'Failed to create celery task during resume: no lead has enrichment_job_id ''' || id || '''' FROM jobs`); err != nil {
		t.Error(err)
	}
	p.exec(t, `INSERT INTO leads (id, campaign_id, enrichment_job_id) VALUES ('l-1', $1, $2::bigint::text)`, f.CampaignID, f.JobIDs[0])
	n, d, err := p.queue.Retry(t.Context(), queue.RetryOptions{FailedSince: time.Now().Add(-time.Hour)})
	if err != nil || n != 1 || d.TasksCreated != 1 || p.depth(t) != 1 {
		t.Fatalf("%d, %+v, %v", n, d, err)
	}
}

// A ramp is one process' work: a second one is refused while it lives, and reconcile
// does not call it interrupted. A canary that was interrupted goes on where it was.
func TestARampIsOneProcessesWork(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.pending(t, 20)
	p.open(t)
	ctx, die := context.WithCancel(t.Context())
	m := p.with(t, queue.Settings{Broker: p.broker, Step: once("queue.ramp.canary", func() {
		if _, err := p.queue.ResumeAllJobsOnBreakerClose(t.Context(), queue.ResumeOptions{Continue: true}); !errors.Is(err, queue.ErrRampAtWork) {
			t.Errorf("a second ramp: %v", err)
		}
		if r, err := p.queue.Reconcile(t.Context()); err != nil || len(r.Findings) != 1 || r.Findings[0].Loud || r.Findings[0].Kind != queue.FoundRamp {
			t.Errorf("reconcile: %+v, %v", r, err)
		}
		die()
	})})
	if r, err := m.Close(ctx, breaker.CloseOptions{}, queue.ResumeOptions{Canary: 5, CanaryWait: time.Hour}); err == nil || r.JobsResumed != 5 || r.JobsLeft != 15 {
		t.Fatalf("the canary was not interrupted: %+v, %v", r, err)
	}
	p.exec(t, "UPDATE leadgenctl.resumes SET canary_wait = '0'")
	watched := p.with(t, queue.Settings{Broker: p.broker, Step: once("queue.ramp.canary", func() {
		if err := p.db.Expect("SELECT count(*) = 15 FROM jobs WHERE status = 'PAUSED'"); err != nil {
			t.Errorf("the canary began anew: %v", err)
		}
	})})
	if r, err := watched.ResumeAllJobsOnBreakerClose(t.Context(), queue.ResumeOptions{Continue: true}); err != nil || r.JobsResumed != 15 || r.JobsLeft != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// Jobs that the old breakers paused are resumed at a pace, too: the global one was never open.
func TestARampWithoutATransition(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.pending(t, 4)
	p.exec(t, "UPDATE jobs SET status = 'PAUSED'")
	m := p.with(t, queue.Settings{Broker: p.broker, Step: once("queue.ramp.canary", func() {
		if err := p.db.Expect("SELECT count(*) = 3 FROM jobs WHERE status = 'PAUSED'"); err != nil {
			t.Error(err)
		}
	})})
	if r, err := m.ResumeAllJobsOnBreakerClose(t.Context(), queue.ResumeOptions{Canary: 1}); err != nil || r.JobsResumed != 4 || p.depth(t) != 4 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A rate that is no number is refused, not taken for none.
func TestAPaceIsANumber(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{math.NaN(), math.Inf(1), -1} {
		if err := (queue.ResumeOptions{Rate: rate}).Validate(); err == nil {
			t.Errorf("%v is accepted", rate)
		}
	}
}

// Only the tasks of the jobs at hand have to be known: an unknown one of another type is
// no reason to leave them in the outbox.
func TestAnUnregisteredTaskOfAnotherTypeMattersNot(t *testing.T) {
	t.Parallel()
	specs := queue.DefaultTasks()
	specs[queue.CleanupCampaign] = queue.TaskSpec{Task: "not_deployed_yet_task"}
	p := newPlatform(t, queue.Settings{Tasks: specs})
	p.pending(t, 1)
	p.worker(t, servers.CeleryOptions{})
	p.open(t)
	if r := p.close(t); r.TasksCreated != 1 {
		t.Errorf("%+v", r)
	}
}

package celery_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

// fill makes n jobs of every type; each ENRICH_LEAD job has a lead.
func (p *platform) fill(t testing.TB, n int) testenv.Fixture {
	t.Helper()
	f := p.db.NewCampaign(t, "RUNNING")
	p.exec(t, `INSERT INTO jobs (task_id, name, status, campaign_id, job_type)
		SELECT gen_random_uuid(), 'job ' || i, (CASE WHEN i % 3 = 0 THEN 'PROCESSING' ELSE 'PENDING' END)::jobstatus, $1,
			(ARRAY['FETCH_LEADS', 'ENRICH_LEAD', 'CLEANUP_CAMPAIGN'])[1 + i % 3]::jobtype
		FROM generate_series(1, $2::int) AS i`, f.CampaignID, n)
	p.exec(t, `INSERT INTO leads (id, campaign_id, enrichment_job_id) SELECT gen_random_uuid(), campaign_id, id::text
		FROM jobs WHERE job_type = 'ENRICH_LEAD'`)
	return f
}

// resumedJobs is how many jobs the workers get to run; `make exactly-once` sets it to 10,000.
func resumedJobs(t *testing.T, jobs int) int {
	t.Helper()
	s := os.Getenv("LEADGENCTL_RESUMED_JOBS")
	if s == "" {
		return jobs
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 3 {
		t.Fatalf("LEADGENCTL_RESUMED_JOBS=%q is no number from 3 on", s)
	}
	return n / 3 * 3
}

// runOnce opens and closes, and wants the worker to run each job once, with its arguments.
func (p *platform) runOnce(t *testing.T, jobs int) {
	t.Helper()
	if r := p.open(t); r.JobsPaused != int64(jobs) {
		t.Fatalf("%+v", r)
	}
	if r := p.close(t); r.JobsResumed != int64(jobs) || r.TasksCreated != int64(jobs) || r.OutboxPending != 0 || r.JobsFailed != 0 {
		t.Fatalf("%+v", r)
	}
	testenv.Eventually(t, 10*time.Minute, func() error {
		return p.db.Expect(`SELECT count(*) = $1 FROM jobs WHERE status = 'COMPLETED'`, jobs)
	})
	third := jobs / 3
	for invariant, n := range map[string]int{
		`SELECT count(*) = $1 AND count(DISTINCT task_id) = $1 FROM worker_log.executions`:                                                       jobs,
		`SELECT count(*) = $1 AND count(DISTINCT job_id) = $1 FROM worker_log.executions WHERE task_name = 'process_job_task'`:                   2 * third,
		`SELECT count(DISTINCT arguments->>'lead_id') = $1 FROM worker_log.executions WHERE task_name = 'enrich_lead_task'`:                      third,
		`SELECT count(*) = $1 FROM leads WHERE enrichment_results IS NOT NULL`:                                                                   third,
		`SELECT count(*) = $1 FROM jobs WHERE job_type = 'ENRICH_LEAD' AND status = 'CANCELLED' AND error LIKE 'Superseded on resume by task %'`: third,
		`SELECT count(*) = $1 FROM worker_log.executions AS e JOIN jobs AS j ON j.id = e.job_id AND j.task_id = e.task_id
			WHERE arguments = jsonb_build_object('job_id', j.id, 'job_type', j.job_type, 'campaign_id', j.campaign_id)`: 2 * third,
	} {
		if err := p.db.Expect(invariant, n); err != nil {
			t.Error(err)
		}
	}
}

func TestAWorkerRunsEachResumedJobOnce(t *testing.T) {
	t.Parallel()
	jobs := resumedJobs(t, 300)
	p := newPlatform(t, queue.Settings{})
	p.fill(t, jobs)
	p.worker(t, servers.CeleryOptions{})
	p.runOnce(t, jobs)
}

// Our message against Celery's own, field by field.
func TestMessageEqualsCelerys(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	testenv.RunCelery(t, p.redis.URL(0), p.db.URL, `
import leadgen_worker
leadgen_worker.process_job_task.delay(job_id=7, job_type="FETCH_LEADS", campaign_id=None)
leadgen_worker.enrich_lead_task.delay("l'1", "Zoë \U0001F600\n")
leadgen_worker.cleanup_campaign_jobs_task.apply_async(kwargs={"campaign_id": "c-1", "days": 3}, priority=5)
`)
	theirs := p.messages(t)
	if err := p.client.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	tasks := []queue.Task{
		{ID: "1", Name: "process_job_task", Kwargs: []queue.Kwarg{{Name: "job_id", Value: 7}, {Name: "job_type", Value: "FETCH_LEADS"}, {Name: "campaign_id"}}},
		{ID: "2", Name: "enrich_lead_task", Args: []any{"l'1", "Zoë \U0001F600\n"}},
		{ID: "3", Name: "cleanup_campaign_jobs_task", Kwargs: []queue.Kwarg{{Name: "campaign_id", Value: "c-1"}, {Name: "days", Value: 3}}, Priority: 5},
	}
	for _, want := range []queue.Outcome{queue.Published, queue.Duplicate} {
		out, err := p.broker.Publish(t.Context(), "batch", tasks)
		if err != nil || out[0].Outcome != want || out[2].Outcome != want {
			t.Fatalf("%v, %v; want %v", out, err, want)
		}
	}
	if diff := cmp.Diff(theirs, p.messages(t)); diff != "" {
		t.Errorf("theirs (-), ours (+):\n%s", diff)
	}
}

// messages reads both lists, without ids, tags and origin.
func (p *platform) messages(t *testing.T) []map[string]any {
	t.Helper()
	var all []map[string]any
	for _, list := range []string{"celery", "celery\x06\x163"} {
		raws, err := p.client.LRange(t.Context(), list, 0, -1).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range raws {
			var m map[string]any
			if err := json.Unmarshal([]byte(raw), &m); err != nil {
				t.Fatal(err)
			}
			body, err := base64.StdEncoding.DecodeString(m["body"].(string))
			if err != nil {
				t.Fatal(err)
			}
			m["body"] = string(body)
			h, pr := m["headers"].(map[string]any), m["properties"].(map[string]any)
			if h["id"] != h["root_id"] || h["id"] != pr["correlation_id"] || !strings.HasPrefix(h["origin"].(string), "gen") {
				t.Errorf("ids: %v", raw)
			}
			delete(h, "id")
			delete(h, "root_id")
			delete(h, "origin")
			for _, id := range []string{"correlation_id", "reply_to", "delivery_tag"} {
				if _, ok := pr[id].(string); !ok {
					t.Errorf("%s: %v", id, pr[id])
				}
				delete(pr, id)
			}
			all = append(all, m)
		}
	}
	return all
}

// queueOld puts the old message of each job on the queue, as the app did.
func (p *platform) queueOld(t *testing.T, where string) {
	t.Helper()
	p.queueOldOn(t, p.redis.URL(0), where)
}

func (p *platform) queueOldOn(t *testing.T, url, where string) {
	t.Helper()
	testenv.RunCelery(t, url, p.db.URL, fmt.Sprintf(`
import leadgen_worker as w
with w.database().cursor() as c:
    c.execute("SELECT id, task_id, job_type, campaign_id FROM jobs WHERE %s ORDER BY id")
    for job, task, kind, campaign in c.fetchall():
        w.process_job_task.apply_async(kwargs=dict(job_id=job, job_type=kind, campaign_id=campaign), task_id=task)
`, where))
}

// The queue still holds the old messages: each makes room for the new one.
func TestQueuedMessagesAreExchanged(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	f := p.db.NewCampaign(t, "RUNNING")
	p.exec(t, `INSERT INTO jobs (task_id, name, status, campaign_id) SELECT gen_random_uuid(), 'job', 'PENDING', $1 FROM generate_series(1, 100)`, f.CampaignID)
	p.queueOld(t, "id % 2 = 0")
	p.open(t)
	r := p.close(t)
	if r.TasksReused != 50 || r.TasksCreated != 50 || r.JobsStillRunning != 0 {
		t.Fatalf("%+v", r)
	}
	if n := p.client.LLen(t.Context(), "celery").Val(); n != 100 {
		t.Fatalf("%d messages", n)
	}
	p.worker(t, servers.CeleryOptions{})
	testenv.Eventually(t, time.Minute, func() error {
		return p.db.Expect(`SELECT (SELECT count(*) FROM worker_log.executions) = 100 AND (SELECT count(DISTINCT job_id) FROM worker_log.executions) = 100
			AND (SELECT bool_and(status = 'COMPLETED') FROM jobs)`)
	})
}

// A worker runs one job and has another one reserved while the breaker opens and closes.
func TestWhatAWorkerHoldsGetsNoSecondTask(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.db.NewCampaign(t, "RUNNING", testenv.Job{}, testenv.Job{}, testenv.Job{}, testenv.Job{}, testenv.Job{})
	p.worker(t, servers.CeleryOptions{TaskSeconds: 4, Concurrency: 1})
	p.queueOld(t, "id <= 4")
	testenv.Eventually(t, 20*time.Second, func() error {
		return p.db.Expect(`SELECT count(*) = 1 FROM jobs WHERE status = 'PROCESSING'`)
	})
	if r := p.open(t); r.JobsPaused != 5 {
		t.Fatalf("%+v", r)
	}
	r := p.close(t)
	if r.JobsStillRunning == 0 || r.JobsStillRunning+r.TasksReused != 4 || r.TasksCreated != 1 {
		t.Fatalf("%+v", r)
	}
	testenv.Eventually(t, time.Minute, func() error {
		return p.db.Expect(`SELECT (SELECT bool_and(status = 'COMPLETED') FROM jobs) AND (SELECT count(*) FROM worker_log.executions) = 5
			AND (SELECT count(DISTINCT job_id) FROM worker_log.executions) = 5`)
	})
}

// Workers whose transport options name the keys otherwise: what they hold is found all the same.
func TestTransportOptionsAreTheWorkers(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.db.NewCampaign(t, "RUNNING", testenv.Job{}, testenv.Job{}, testenv.Job{}, testenv.Job{})
	broker, err := celery.NewRedis(p.client, celery.Options{Prefix: "app:", Separator: "~", PrioritySteps: []int{0, 5}, Unacked: "held", UnackedIndex: "held_index"})
	if err != nil {
		t.Fatal(err)
	}
	p.queue = p.with(t, queue.Settings{Broker: broker})
	env := []string{`LEADGEN_TRANSPORT={"global_keyprefix": "app:", "sep": "~", "priority_steps": [0, 5], "unacked_key": "held", "unacked_index_key": "held_index"}`}
	p.worker(t, servers.CeleryOptions{TaskSeconds: 2, Concurrency: 1, Env: env})
	testenv.RunCelery(t, p.redis.URL(0), p.db.URL, `
import leadgen_worker as w
w.app.conf.broker_transport_options = {"global_keyprefix": "app:", "sep": "~", "priority_steps": [0, 5], "queue_order_strategy": "priority"}
with w.database().cursor() as c:
    c.execute("SELECT id, task_id, job_type, campaign_id FROM jobs ORDER BY id")
    for job, task, kind, campaign in c.fetchall():
        w.process_job_task.apply_async(kwargs=dict(job_id=job, job_type=kind, campaign_id=campaign), task_id=task, priority=5 if job > 2 else 0)
`)
	testenv.Eventually(t, time.Minute, func() error {
		return p.db.Expect(`SELECT count(*) = 1 FROM jobs WHERE status = 'PROCESSING'`)
	})
	p.open(t)
	if r := p.close(t); r.JobsStillRunning == 0 || r.TasksReused == 0 || r.JobsStillRunning+r.TasksReused != 4 {
		t.Errorf("%+v", r)
	}
	testenv.Eventually(t, time.Minute, func() error {
		return p.db.Expect(`SELECT bool_and(status = 'COMPLETED') AND (SELECT count(*) FROM worker_log.executions) = 4 FROM jobs`)
	})
}

package celery_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue"
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

// Every resumed job is run once by a real worker, with the right arguments.
func TestAWorkerRunsEachResumedJobOnce(t *testing.T) {
	t.Parallel()
	const jobs = 300
	p := newPlatform(t, queue.Settings{})
	p.fill(t, jobs)
	if r := p.open(t); r.JobsPaused != jobs {
		t.Fatalf("%+v", r)
	}
	p.worker(t, servers.CeleryOptions{})
	if r := p.close(t); r.JobsResumed != jobs || r.TasksCreated != jobs || r.OutboxPending != 0 || r.JobsFailed != 0 {
		t.Fatalf("%+v", r)
	}
	testenv.Eventually(t, 2*time.Minute, func() error {
		return p.db.Expect(`SELECT count(*) = $1 FROM jobs WHERE status = 'COMPLETED'`, jobs)
	})
	for _, invariant := range []string{
		`SELECT count(*) = 300 AND count(DISTINCT task_id) = 300 FROM worker_log.executions`,
		`SELECT count(DISTINCT job_id) = 200 FROM worker_log.executions WHERE task_name = 'process_job_task'`,
		`SELECT bool_and(arguments = jsonb_build_object('job_id', j.id, 'job_type', j.job_type, 'campaign_id', j.campaign_id) AND j.task_id = e.task_id)
			FROM worker_log.executions AS e JOIN jobs AS j ON j.id = e.job_id WHERE task_name = 'process_job_task'`,
		`SELECT count(DISTINCT arguments->>'lead_id') = 100 FROM worker_log.executions WHERE task_name = 'enrich_lead_task'`,
		`SELECT bool_and(enrichment_results IS NOT NULL) FROM leads`,
		`SELECT count(*) = 100 FROM jobs WHERE job_type = 'ENRICH_LEAD' AND status = 'CANCELLED' AND error LIKE 'Superseded on resume by task %'`,
	} {
		if err := p.db.Expect(invariant); err != nil {
			t.Error(err)
		}
	}
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
	testenv.RunCelery(t, p.redis.URL(0), p.db.URL, fmt.Sprintf(`
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

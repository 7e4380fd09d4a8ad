package celery_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

// later makes what was published look as if that were a while ago.
func (p *platform) later(t *testing.T) {
	t.Helper()
	p.exec(t, "UPDATE leadgenctl.outbox SET published_at = published_at - interval '1 minute'")
	p.exec(t, "UPDATE leadgenctl.superseded_jobs SET at = at - interval '1 minute'")
}

func (p *platform) reconcile(t *testing.T) queue.Result {
	t.Helper()
	r, err := p.queue.Reconcile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func lost(r queue.Result) (jobs int64) {
	for _, f := range r.Findings {
		if f.Kind == queue.FoundLostTasks {
			jobs += f.Jobs
		}
	}
	return jobs
}

// An enrichment that was done is not done again when its row has been cleaned up.
func TestADoneEnrichmentIsNotLost(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.fill(t, 1)
	p.exec(t, "UPDATE jobs SET job_type = 'ENRICH_LEAD'")
	p.exec(t, "INSERT INTO leads (id, campaign_id, enrichment_job_id) SELECT 'l', campaign_id, id::text FROM jobs ON CONFLICT DO NOTHING")
	p.open(t)
	p.close(t)
	p.worker(t, servers.CeleryOptions{})
	testenv.Eventually(t, time.Minute, func() error { return p.db.Expect("SELECT count(*) = 1 FROM jobs WHERE status = 'COMPLETED'") })
	p.exec(t, "DELETE FROM jobs WHERE status = 'COMPLETED'")
	p.later(t)
	if r := p.reconcile(t); lost(r) != 0 || r.TasksCreated != 0 {
		t.Errorf("%+v", r)
	}
}

// A task that is lost again and again is made anew as often as it would be offered to a
// broker; then a person has to decide.
func TestATaskThatIsLostAgainAndAgainFailsItsJob(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"FETCH_LEADS", "ENRICH_LEAD"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, queue.Settings{})
			p.queue = p.with(t, queue.Settings{Broker: p.broker, MaxAttempts: 3})
			f := p.db.NewCampaign(t, "RUNNING", testenv.Job{Type: kind})
			p.exec(t, "INSERT INTO leads (id, campaign_id, enrichment_job_id) VALUES ('l', $1, $2::int::text)", f.CampaignID, f.JobIDs[0])
			p.open(t)
			p.close(t)
			for n := 1; n <= 3; n++ {
				if err := p.client.Del(t.Context(), "celery").Err(); err != nil {
					t.Fatal(err)
				}
				p.later(t)
				plan, err := p.queue.Plan(t.Context())
				if err != nil || lost(plan) != 1 {
					t.Errorf("%d: planned %+v, %v", n, plan, err)
				}
				if r := p.reconcile(t); lost(r) != 1 || (r.TasksCreated == 1) != (n < 3) {
					t.Errorf("%d: %+v", n, r)
				}
			}
			if err := p.db.Expect(`SELECT status = 'FAILED' AND error = 'Failed to create celery task during resume: its task was lost 3 times' AND completed_at IS NOT NULL FROM jobs`); err != nil {
				t.Error(err)
			}
			if err := p.db.Expect(`SELECT count(*) = 1 AND (SELECT count(*) FROM leadgenctl.lost_tasks) = 0 FROM leadgenctl.dispatch_failures WHERE attempts = 3`); err != nil {
				t.Error(err)
			}
			if err := p.db.Expect(`SELECT count(*) = 0 FROM leadgenctl.job_violations`); err != nil {
				t.Error(err)
			}
			if r := p.reconcile(t); lost(r) != 0 {
				t.Errorf("once more: %+v", r)
			}
		})
	}
}

// A task that failed before it touched its row is not run again and again: its job is
// FAILED, with the task that ended.
func TestATaskThatEndedWithoutItsJobFailsIt(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.db.NewCampaign(t, "RUNNING", testenv.Job{})
	p.open(t)
	p.close(t)
	var task string
	if err := p.db.Pool.QueryRow(t.Context(), "SELECT task_id FROM jobs").Scan(&task); err != nil {
		t.Fatal(err)
	}
	// As a worker leaves it that could not begin: no message, and a result.
	if err := errors.Join(p.client.Del(t.Context(), "celery").Err(), p.client.Set(t.Context(), "celery-task-meta-"+task,
		`{"status": "FAILURE", "result": {"exc_type": "TypeError", "exc_message": ["x"], "exc_module": "builtins"}, "traceback": "", "children": [], "date_done": "2026-01-05T10:20:41", "task_id": "`+task+`"}`, time.Hour).Err()); err != nil {
		t.Fatal(err)
	}
	p.later(t)
	if r := p.reconcile(t); r.TasksCreated != 0 || lost(r) != 1 {
		t.Errorf("%+v", r)
	}
	if err := p.db.Expect("SELECT status = 'FAILED' AND error = 'Task ' || $1 || ' ended (FAILURE) and left the job as it was' FROM jobs", task); err != nil {
		t.Error(err)
	}
}

// Redis, with the breaker, the broker and the results in it, comes back empty while a
// worker runs a job. Until the worker can be back nothing that it may have is made anew.
func TestABrokerThatCameBackEmptyDoublesNothing(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	broker, err := celery.NewRedis(p.client, celery.Options{WorkersReturn: 8 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	p.queue = p.with(t, queue.Settings{Broker: broker, RetryDelay: 20 * time.Millisecond})
	p.pending(t, 6)
	first := p.worker(t, servers.CeleryOptions{TaskSeconds: 12, Concurrency: 1})
	p.queueOld(t, "true")
	testenv.Eventually(t, time.Minute, func() error { return p.db.Expect("SELECT count(*) = 1 FROM jobs WHERE status = 'PROCESSING'") })
	p.open(t)
	if err := p.redis.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := p.reconcile(t)
	if len(r.Findings) == 0 || r.Transition.State != breaker.Open {
		t.Fatalf("the breaker is not open again: %+v", r)
	}
	if r, err := p.queue.Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{}); !errors.Is(err, queue.ErrUnknownHolder) || r.TasksCreated != 0 || r.OutboxPending != 6 {
		t.Fatalf("%+v, %v", r, err)
	}
	until := func(sql string, args ...any) {
		t.Helper()
		testenv.Eventually(t, 2*time.Minute, func() error {
			if _, err := p.queue.Reconcile(t.Context()); err != nil && !errors.Is(err, queue.ErrUnknownHolder) {
				return err
			}
			return p.db.Expect(sql, args...)
		})
	}
	until("SELECT count(*) > 0 FROM jobs WHERE status = 'COMPLETED'")
	if err := p.db.Expect("SELECT count(*) = 1 FROM worker_log.executions AS e JOIN jobs AS j ON j.id = e.job_id WHERE j.status = 'COMPLETED'"); err != nil {
		t.Errorf("what ran while Redis was away: %v", err)
	}
	// Some versions of Celery consume nothing any more after Redis was away. One that does
	// has taken messages by now: what dies with it is found by checks, or put back by kombu
	// after an hour.
	first.Kill()
	fetched := strings.Join(p.client.HVals(t.Context(), "unacked").Val(), "")
	p.worker(t, servers.CeleryOptions{})
	until(`SELECT bool_and(status = 'COMPLETED' OR strpos($1, task_id) > 0 OR status = 'PROCESSING' AND id IN (
			SELECT job_id FROM worker_log.executions WHERE worker = $2)) AND count(*) FILTER (WHERE status = 'COMPLETED') > 2 FROM jobs`, fetched, first.Name)
	if err := p.db.Expect("SELECT count(*) <= 1 + count(DISTINCT job_id) FROM worker_log.executions"); err != nil {
		t.Error(err)
	}
}

// A task whose message is on the queue twice, or on two queues, loses all of them.
func TestAllCopiesOfAMessageAreExchanged(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.pending(t, 1500)
	p.queueOld(t, "true")
	p.queueOld(t, "id IN (1, 1500)") // 2 of them twice, 1,500 messages apart
	raw := p.client.LIndex(t.Context(), "celery", -2).Val()
	if err := p.client.LPush(t.Context(), "celery\x06\x163", raw).Err(); err != nil {
		t.Fatal(err)
	}
	p.open(t)
	if r := p.close(t); r.TasksReused != 1500 || p.depth(t) != 1500 || p.client.LLen(t.Context(), "celery\x06\x163").Val() != 0 {
		t.Errorf("%+v; %d messages", r, p.depth(t))
	}
}

// Another task has a job_id too, and is not the job's.
func TestATaskThatOnlyNamesAJobIsLeftAlone(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.pending(t, 1)
	testenv.RunCelery(t, p.redis.URL(0), p.db.URL, `
import leadgen_worker as w
w.app.send_task("send_job_report", kwargs=dict(job_id=1, email="x"))
`)
	p.open(t)
	if n, err := p.queue.WithdrawPaused(t.Context()); n != 0 || err != nil {
		t.Errorf("%d withdrawn, %v", n, err)
	}
	if r := p.close(t); r.TasksCreated != 1 || p.depth(t) != 2 {
		t.Errorf("%+v; %d messages", r, p.depth(t))
	}
}

// forgetful is a broker that after a while cannot say any more how tasks ended.
type forgetful struct {
	*celery.Redis
	answers int
}

func (f *forgetful) Ended(ctx context.Context, tasks []string) (map[string]string, error) {
	if f.answers--; f.answers < 0 {
		return nil, errors.New("the results are away")
	}
	return f.Redis.Ended(ctx, tasks)
}

// Lost tasks are mended in transactions of 20,000 jobs. Where one fails, what the others
// did is told all the same.
func TestLostTasksThatWereMendedBeforeAFailureAreTold(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.fill(t, 20_001)
	p.open(t)
	p.close(t)
	if err := p.client.Del(t.Context(), "celery").Err(); err != nil {
		t.Fatal(err)
	}
	p.later(t)
	r, err := p.with(t, queue.Settings{Broker: &forgetful{p.broker, 10}}).Reconcile(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the results are away") || lost(r) != 20_000 {
		t.Errorf("%d jobs told, %v", lost(r), err)
	}
	if r := p.reconcile(t); lost(r) != 1 || r.TasksCreated != 20_001 {
		t.Errorf("%d jobs, %d tasks", lost(r), r.TasksCreated)
	}
}

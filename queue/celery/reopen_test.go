package celery_test

import (
	"errors"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue"
)

// An old task makes a row of its own with its id while its job waits in the outbox: the
// breaker opens all the same, and the job gives way to that row.
func TestAPauseNeverFailsOfATaskIDThatIsTaken(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	f := p.db.NewCampaign(t, "RUNNING", testenv.Job{Type: "ENRICH_LEAD", Status: "PROCESSING", TaskID: "old"}, testenv.Job{})
	p.exec(t, "INSERT INTO leads (id, campaign_id, enrichment_job_id) VALUES ('l1', $1, $2::int::text)", f.CampaignID, f.JobIDs[0])
	p.fillOutbox(t)
	p.exec(t, "INSERT INTO jobs (task_id, name, status, campaign_id, job_type) VALUES ('old', 'Enrich lead', 'PROCESSING', $1, 'ENRICH_LEAD')", f.CampaignID)
	if r := p.open(t); r.JobsPaused != 3 {
		t.Errorf("%+v", r)
	}
	if err := p.db.Expect("SELECT status = 'CANCELLED' AND error LIKE 'Superseded by job %, which task old made' AND completed_at IS NOT NULL FROM jobs WHERE id = $1", f.JobIDs[0]); err != nil {
		t.Error(err)
	}
	if err := p.db.Expect("SELECT count(*) = 2 FROM jobs WHERE status = 'PAUSED'"); err != nil {
		t.Error(err)
	}
}

// A superseded job whose new task still waits is paused with the rest, and its message
// can be withdrawn; closing gives it one task again.
func TestAWaitingEnrichmentIsPausedToo(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.fill(t, 3)
	p.open(t)
	p.close(t)
	if tasks, err := p.queue.TasksOf(t.Context(), []int64{1, 2, 3}); err != nil || len(tasks) != 4 { // the superseded one has an old and a new one
		t.Errorf("%v, %v", tasks, err)
	}
	if r := p.open(t); r.JobsPaused != 3 {
		t.Errorf("%+v", r)
	}
	if n, err := p.queue.WithdrawPaused(t.Context()); n != 3 || err != nil || p.depth(t) != 0 {
		t.Errorf("%d withdrawn, %v; %d are left", n, err, p.depth(t))
	}
	if r := p.close(t); r.TasksCreated != 3 || p.depth(t) != 3 {
		t.Errorf("%+v; %d messages", r, p.depth(t))
	}
	p.worker(t, servers.CeleryOptions{})
	testenv.Eventually(t, time.Minute, func() error {
		return p.db.Expect(`SELECT (SELECT count(*) FROM worker_log.executions) = 3 AND (SELECT count(*) = 3 FROM jobs WHERE status = 'COMPLETED')
			AND (SELECT count(*) = 1 FROM leads WHERE enrichment_results IS NOT NULL)`)
	})
}

// Jobs that an old revision paused under the lower-case label are resumed like all others.
func TestTheLowerCaseLabelIsPausedToo(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.exec(t, "ALTER TYPE jobstatus ADD VALUE 'paused'")
	p.exec(t, "ALTER TABLE jobs DROP CONSTRAINT leadgenctl_status_spelling")
	p.db.NewCampaign(t, "RUNNING", testenv.Job{Status: "paused"}, testenv.Job{})
	p.open(t)
	if r := p.close(t); r.JobsResumed != 2 || p.depth(t) != 2 {
		t.Errorf("%+v; %d messages", r, p.depth(t))
	}
}

// Redis forgot that the breaker is open: what the log knows counts for every command
// that dispatches.
func TestNothingIsDispatchedWhenOnlyTheLogKnowsThatTheBreakerIsOpen(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.db.NewCampaign(t, "RUNNING", testenv.Job{Status: "FAILED", Error: queue.FailPrefix + "x"}, testenv.Job{})
	p.fillOutbox(t)
	p.exec(t, "UPDATE jobs SET updated_at = now() WHERE status = 'FAILED'")
	forget := func() {
		// Opened, and the jobs of the outbox are left as a crash would leave them.
		b, err := breaker.New(p.client, breaker.Settings{})
		if err != nil {
			t.Fatal(err)
		}
		tr, err := b.Open(t.Context(), breaker.OpenOptions{Reason: "x"})
		if err != nil {
			t.Fatal(err)
		}
		p.exec(t, "INSERT INTO leadgenctl.breaker_transitions (epoch, state, at, source) VALUES ($1, 'open', now(), 'leadgenctl') ON CONFLICT (epoch) DO NOTHING", tr.Epoch)
		if err := p.client.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	forget()
	if _, err := p.queue.Relay(t.Context(), queue.RelayOptions{}); !errors.Is(err, queue.ErrBreakerOpen) {
		t.Errorf("relay: %v", err)
	}
	forget()
	if _, _, err := p.queue.Retry(t.Context(), queue.RetryOptions{FailedSince: time.Now().Add(-time.Hour)}); !errors.Is(err, queue.ErrBreakerOpen) {
		t.Errorf("retry: %v", err)
	}
	if n := p.depth(t); n != 0 {
		t.Errorf("%d messages", n)
	}
}

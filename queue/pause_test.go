package queue_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue"
)

var sixJobs = []testenv.Job{{}, {Status: "PROCESSING"}, {Status: "COMPLETED"}, {Status: "FAILED", Error: "boom"},
	{Status: "CANCELLED"}, {Status: "PROCESSING", Error: "second try"}}

func TestOpenPausesActiveJobsAndCloseResumesThem(t *testing.T) {
	t.Parallel()
	h := newHouse(t, queue.Settings{})
	f := h.db.NewCampaign(t, "RUNNING", sixJobs...)

	r, err := h.manager.Open(t.Context(), breaker.OpenOptions{Reason: "Apollo 502", Service: "apollo"})
	if err != nil || !r.Transition.Changed || r.JobsPaused != 3 || r.Transition.Epoch != 1 {
		t.Fatalf("open: %+v, %v", r, err)
	}
	want := []string{"PAUSED", "PAUSED", "COMPLETED", "FAILED", "CANCELLED", "PAUSED"}
	if got := h.statuses(t, f.JobIDs); !slices.Equal(got, want) {
		t.Fatalf("statuses %v, want %v", got, want)
	}
	if err := h.db.Expect(`SELECT bool_and(error = 'Paused due to circuit breaker open: Apollo 502') FROM jobs WHERE status = 'PAUSED'`); err != nil {
		t.Error(err)
	}
	if err := h.db.Expect(`SELECT p.jobs = 3 AND bool_and((j.updated_at > p.paused_at) = (j.id IN ($1, $2))) FROM leadgenctl.job_pauses AS p, jobs AS j WHERE j.status = 'PAUSED' GROUP BY p.jobs`, f.JobIDs[1], f.JobIDs[5]); err != nil {
		t.Error(err)
	}
	if err := h.db.Expect(`SELECT job_id = $1 AND error = 'second try' FROM leadgenctl.job_pause_errors`, f.JobIDs[5]); err != nil {
		t.Error(err)
	}

	again, err := h.manager.Open(t.Context(), breaker.OpenOptions{Reason: "again"})
	if err != nil || again.Transition.Changed || again.JobsPaused != 0 || len(again.Findings) != 0 {
		t.Fatalf("second open: %+v, %v", again, err)
	}

	c, err := h.manager.Close(t.Context(), breaker.CloseOptions{Reason: "Apollo recovered"}, queue.ResumeOptions{})
	if err != nil || !c.Transition.Changed || c.JobsResumed != 3 || c.Transition.Epoch != 2 {
		t.Fatalf("close: %+v, %v", c, err)
	}
	if err := h.db.Expect(`SELECT count(*) = 3 AND bool_and(error IS NULL) FROM jobs WHERE status = 'PENDING'`); err != nil {
		t.Error(err)
	}
	if err := h.db.Expect(`SELECT count(*) = 2 AND bool_and(applied_at IS NOT NULL AND jobs_affected = 3 AND actor = 'tester@host')
		FROM leadgenctl.breaker_transitions`); err != nil {
		t.Error(err)
	}
	if again, err := h.manager.Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{}); err != nil || again.Transition.Changed || again.JobsResumed != 0 || len(again.Findings) != 0 {
		t.Fatalf("second close: %+v, %v", again, err)
	}
}

// openWhileAWorker opens the breaker while a worker's change of a job waits for its commit;
// the worker commits when the pause wants the row.
func (h *house) openWhileAWorker(t *testing.T, change string, job int64) {
	t.Helper()
	worker, err := h.db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := worker.Exec(t.Context(), change, job); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := h.manager.Open(context.WithoutCancel(t.Context()), breaker.OpenOptions{Reason: "x"})
		done <- err
	}()
	testenv.Eventually(t, 10e9, func() error {
		return h.db.Expect(`SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid')`)
	})
	if err := errors.Join(worker.Commit(t.Context()), <-done); err != nil {
		t.Fatal(err)
	}
}

// A worker holds the row while the pause wants it, and ends the job.
func TestPauseNeverOverwritesAFinishedJob(t *testing.T) {
	t.Parallel()
	h := newHouse(t, queue.Settings{})
	f := h.db.NewCampaign(t, "RUNNING", testenv.Job{Status: "PROCESSING"}, testenv.Job{})
	h.openWhileAWorker(t, "UPDATE jobs SET status = 'COMPLETED', completed_at = now() WHERE id = $1", f.JobIDs[0])
	if got := h.statuses(t, f.JobIDs); !slices.Equal(got, []string{"COMPLETED", "PAUSED"}) {
		t.Fatalf("statuses %v", got)
	}
}

func TestOpenWithoutPostgresStillStopsWork(t *testing.T) {
	t.Parallel()
	h := newHouse(t, queue.Settings{})
	f := h.db.NewCampaign(t, "RUNNING", testenv.Job{})
	m, err := queue.New(nil, h.breaker, queue.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := m.Open(t.Context(), breaker.OpenOptions{Reason: "down"})
	var partial *queue.PartialError
	if !errors.As(err, &partial) || !errors.Is(err, queue.ErrNoDatabase) || !r.Transition.Changed {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := m.Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{}); !errors.Is(err, queue.ErrNoDatabase) {
		t.Fatalf("close: %v", err)
	}
	// The same command, later: completes it.
	r, err = h.manager.Open(t.Context(), breaker.OpenOptions{Reason: "down"})
	if err != nil || r.Transition.Changed || r.JobsPaused != 1 || len(r.Findings) != 0 && r.Findings[0].Kind != queue.FoundUnapplied {
		t.Fatalf("%+v, %v", r, err)
	}
	if got := h.statuses(t, f.JobIDs); !slices.Equal(got, []string{"PAUSED"}) {
		t.Fatalf("statuses %v", got)
	}
}

func TestMissingSchemaIsSaid(t *testing.T) {
	t.Parallel()
	h := &house{db: testenv.NewDatabase(t), redis: testenv.NewRedis(t)}
	h.breaker = newBreaker(t, h.redis)
	h.manager = h.newManager(t, queue.Settings{})
	r, err := h.manager.Open(t.Context(), breaker.OpenOptions{Reason: "x"})
	if !errors.Is(err, queue.ErrSchemaMissing) || !r.Transition.Changed {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := h.manager.Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{}); !errors.Is(err, queue.ErrSchemaMissing) {
		t.Fatalf("close: %v", err)
	}
	if c, err := h.manager.Counts(t.Context()); err != nil || c.Active() != 0 {
		t.Fatalf("counts: %v, %v", c, err)
	}
}

func TestShouldProcessJob(t *testing.T) {
	t.Parallel()
	h := newHouse(t, queue.Settings{})
	f := h.db.NewCampaign(t, "RUNNING", testenv.Job{}, testenv.Job{Status: "COMPLETED"})
	ask := func(id int64) bool {
		ok, err := h.manager.ShouldProcessJob(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if !ask(f.JobIDs[0]) || ask(f.JobIDs[1]) {
		t.Error("closed: a pending job may run, a completed one may not")
	}
	if _, err := h.manager.ShouldProcessJob(t.Context(), 1<<30); !errors.Is(err, queue.ErrNoJob) {
		t.Errorf("unknown job: %v", err)
	}
	if _, err := h.manager.PauseJobsForService(t.Context(), "apollo"); !errors.Is(err, queue.ErrBreakerClosed) {
		t.Errorf("pause while closed: %v", err)
	}
	if _, err := h.breaker.Open(t.Context(), breaker.OpenOptions{Reason: "x"}); err != nil {
		t.Fatal(err)
	}
	if ask(f.JobIDs[0]) {
		t.Error("open: no job may run")
	}
	if r, err := h.manager.PauseJobsForService(t.Context(), "apollo"); err != nil || r.JobsPaused != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if err := h.db.Expect(`SELECT error = 'Paused due to circuit breaker open: apollo service unavailability' FROM jobs WHERE status = 'PAUSED'`); err != nil {
		t.Error(err)
	}
}

// A worker writes an error text while the pause waits for the row: the text is kept, too.
func TestPauseKeepsAnErrorThatIsWrittenMeanwhile(t *testing.T) {
	t.Parallel()
	h := newHouse(t, queue.Settings{})
	f := h.db.NewCampaign(t, "RUNNING", testenv.Job{Status: "PROCESSING", Error: "first try"})
	h.openWhileAWorker(t, "UPDATE jobs SET error = 'second try' WHERE id = $1", f.JobIDs[0])
	if err := h.db.Expect(`SELECT count(*) = 1 AND bool_and(error = 'second try') FROM leadgenctl.job_pause_errors`); err != nil {
		t.Error(err)
	}
	if got := h.statuses(t, f.JobIDs); !slices.Equal(got, []string{"PAUSED"}) {
		t.Fatalf("statuses %v", got)
	}
}

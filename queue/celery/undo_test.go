package celery_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

// A pause is undone: every job is what it was, with its error and its own task, and its
// withdrawn message lies in the queue again, to the byte. What lost its message while it
// was paused gets a new task.
func TestAPauseIsUndoneExactly(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.db.NewCampaign(t, "RUNNING", testenv.Job{}, testenv.Job{Status: "PROCESSING", Error: "second try"}, testenv.Job{Error: "a note"}, testenv.Job{})
	p.queueOld(t, "id < 4")
	before := p.client.LRange(t.Context(), "celery", 0, -1).Val()
	p.exec(t, "CREATE TABLE before AS SELECT id, status, error, task_id FROM jobs")
	p.open(t)
	if n, err := p.queue.WithdrawPaused(t.Context()); n != 3 || err != nil {
		t.Fatalf("%d withdrawn, %v", n, err)
	}
	r, err := p.queue.Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{Undo: true})
	if err != nil || r.JobsUndone != 3 || r.JobsResumed != 1 || r.TasksCreated != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	after := p.client.LRange(t.Context(), "celery", 0, -1).Val()
	if len(after) != 4 {
		t.Fatalf("%d messages", len(after))
	}
	for _, raw := range before {
		if !slices.Contains(after, raw) {
			t.Errorf("it is not back: %s", raw)
		}
	}
	if err := p.db.Expect("SELECT count(*) = 3 FROM jobs JOIN before AS b USING (id) WHERE id < 4 AND (jobs.status, jobs.task_id) = (b.status, b.task_id) AND jobs.error IS NOT DISTINCT FROM b.error"); err != nil {
		t.Error(err)
	}
	if err := p.db.Expect("SELECT undone_at IS NOT NULL FROM leadgenctl.job_pauses"); err != nil {
		t.Error(err)
	}
	p.worker(t, servers.CeleryOptions{})
	testenv.Eventually(t, time.Minute, func() error {
		return p.db.Expect("SELECT bool_and(status = 'COMPLETED') AND (SELECT count(*) FROM worker_log.executions) = 4 FROM jobs")
	})
}

// withdrawn is a platform with five paused jobs whose messages were taken off the queue.
func withdrawn(t *testing.T) *platform {
	t.Helper()
	p := newPlatform(t, queue.Settings{})
	p.pending(t, 5)
	p.queueOld(t, "true")
	p.open(t)
	if _, err := p.queue.WithdrawPaused(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// Killed after the messages are back, closing again resumes the jobs, and none twice.
func TestAnUndoThatDiesIsCompleted(t *testing.T) {
	t.Parallel()
	p := withdrawn(t)
	type died struct{}
	func() {
		defer func() {
			if _, ok := recover().(died); !ok {
				t.Error("it did not die")
			}
		}()
		m := p.with(t, queue.Settings{Broker: p.broker, Step: once("queue.undo.restored", func() { panic(died{}) })})
		_, _ = m.Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{Undo: true})
	}()
	if r := p.close(t); r.TasksReused != 5 || p.depth(t) != 5 {
		t.Errorf("%+v; %d messages", r, p.depth(t))
	}
}

func TestAnUndoHasNoPace(t *testing.T) {
	t.Parallel()
	for _, o := range []queue.ResumeOptions{{Undo: true, Rate: 1}, {Undo: true, Canary: 1}, {Undo: true, Continue: true}} {
		if err := o.Validate(); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	p := newPlatform(t, queue.Settings{})
	if _, err := p.queue.Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{Undo: true, Batch: 1}); err == nil || errors.Is(err, queue.ErrBrokerAway) {
		t.Errorf("%v", err)
	}
}

// undoing is the real broker, where something happens before messages go back.
type undoing struct {
	*celery.Redis
	before func()
}

func (u *undoing) PutBack(ctx context.Context, choose func(string) bool) (int64, error) {
	u.before()
	return u.Redis.PutBack(ctx, choose)
}

// Somebody reconciles while withdrawn messages go back: no job gets a new task beside its own.
func TestNobodyResumesBesideAnUndo(t *testing.T) {
	t.Parallel()
	p := withdrawn(t)
	reconciled := make(chan error, 1)
	m := p.with(t, queue.Settings{Broker: &undoing{p.broker, func() {
		go func() {
			_, err := p.queue.Reconcile(t.Context())
			reconciled <- err
		}()
		testenv.Eventually(t, time.Minute, func() error { // it is done, or waits
			if len(reconciled) == 1 {
				return nil
			}
			return p.db.Expect("SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
		})
	}}})
	if _, err := m.Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{Undo: true}); err != nil {
		t.Error(err)
	}
	if err := <-reconciled; err != nil {
		t.Error(err)
	}
	if n := p.depth(t); n != 5 {
		t.Errorf("%d messages of 5 jobs", n)
	}
}

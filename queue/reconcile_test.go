package queue_test

import (
	"testing"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue"
)

func kinds(fs []queue.Finding) map[queue.FindingKind]bool {
	m := map[queue.FindingKind]bool{}
	for _, f := range fs {
		m[f.Kind] = true
	}
	return m
}

func (h *house) reconcile(t *testing.T) queue.Result {
	t.Helper()
	r, err := h.manager.Reconcile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReconcileAdoptsWhatPythonDid(t *testing.T) {
	t.Parallel()
	h := newHouse(t, queue.Settings{})
	h.db.NewCampaign(t, "RUNNING", testenv.Job{}, testenv.Job{Status: "PROCESSING"})
	open := `{"state": "open", "opened_at": "2026-01-05T10:20:41.870963", "closed_at": null, "metadata": {"last_error": "Apollo 502", "error_type": "http_5xx", "failed_at": "2026-01-05T10:20:41.870963"}}`
	if err := h.redis.Client.Set(t.Context(), breaker.DefaultKey, open, 86400e9).Err(); err != nil {
		t.Fatal(err)
	}
	r := h.reconcile(t)
	if k := kinds(r.Findings); !k[queue.FoundForeign] || !k[queue.FoundTTL] || r.JobsPaused != 2 {
		t.Fatalf("%+v", r)
	}
	if ttl := h.redis.Client.TTL(t.Context(), breaker.DefaultKey).Val(); ttl >= 0 {
		t.Errorf("ttl %v", ttl)
	}
	if err := h.db.Expect(`SELECT count(*) = 1 AND bool_and(source = 'python' AND applied_at IS NOT NULL AND reason = 'Apollo 502') FROM leadgenctl.breaker_transitions`); err != nil {
		t.Error(err)
	}
	if r := h.reconcile(t); len(r.Findings) != 0 {
		t.Errorf("second run: %+v", r)
	}
	closed := `{"state": "closed", "opened_at": null, "closed_at": "2026-01-05T11:00:00", "metadata": {"manually_closed_at": "2026-01-05T11:00:00", "closed_by": "ops"}}`
	if err := h.redis.Client.Set(t.Context(), breaker.DefaultKey, closed, 86400e9).Err(); err != nil {
		t.Fatal(err)
	}
	if r := h.reconcile(t); !kinds(r.Findings)[queue.FoundForeign] || r.JobsResumed != 2 {
		t.Errorf("%+v", r)
	}
}

func TestReconcileRestoresWhatRedisLost(t *testing.T) {
	t.Parallel()
	h := newHouse(t, queue.Settings{})
	h.db.NewCampaign(t, "RUNNING", testenv.Job{})
	for range 2 {
		if _, err := h.manager.Open(t.Context(), breaker.OpenOptions{Reason: "x", Service: "apollo"}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.manager.Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.manager.Open(t.Context(), breaker.OpenOptions{Reason: "y"}); err != nil {
		t.Fatal(err)
	}
	if err := h.redis.Client.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	r := h.reconcile(t)
	if r.Transition.State != breaker.Open || r.Transition.Epoch != 5 || len(r.Findings) != 1 || r.Findings[0].Kind != queue.FoundLostKey || !r.Findings[0].Loud {
		t.Fatalf("%+v", r)
	}
	if r := h.reconcile(t); len(r.Findings) != 0 {
		t.Errorf("second run: %+v", r)
	}
	if c, err := h.manager.Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{}); err != nil || c.Transition.Epoch != 6 || c.JobsResumed != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
}

func TestReconcileFinishesWhatDiedHalfWay(t *testing.T) {
	t.Parallel()
	h := newHouse(t, queue.Settings{})
	h.db.NewCampaign(t, "RUNNING", testenv.Job{}, testenv.Job{})
	for _, want := range []struct {
		open            bool
		paused, resumed int64
	}{{true, 2, 0}, {false, 0, 2}} {
		var err error
		if want.open {
			_, err = h.breaker.Open(t.Context(), breaker.OpenOptions{Reason: "x"})
		} else {
			_, err = h.breaker.Close(t.Context(), breaker.CloseOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
		r := h.reconcile(t)
		if r.JobsPaused != want.paused || r.JobsResumed != want.resumed || !kinds(r.Findings)[queue.FoundUnapplied] {
			t.Fatalf("%+v", r)
		}
	}
	h.exec(t, "UPDATE jobs SET status = 'PAUSED', completed_at = now()")
	if r := h.reconcile(t); !kinds(r.Findings)[queue.FoundPausedJobs] || r.JobsResumed != 2 {
		t.Fatalf("%+v", r)
	}
	if err := h.db.Expect("SELECT bool_and(completed_at IS NULL) FROM jobs"); err != nil {
		t.Error(err)
	}
}

// In the old state the per-service breakers pause jobs: as long as the global one was
// never open, only a person resumes them.
func TestReconcileLeavesWhatTheOldBreakersPaused(t *testing.T) {
	t.Parallel()
	h := newHouse(t, queue.Settings{})
	f := h.db.NewCampaign(t, "RUNNING", testenv.Job{Status: "PAUSED", Error: "Paused due to apollo service unavailability: 502"})
	plan, err := h.manager.Plan(t.Context())
	if err != nil || plan.JobsResumed != 0 || !kinds(plan.Findings)[queue.FoundPausedJobs] {
		t.Fatalf("%+v, %v", plan, err)
	}
	if r := h.reconcile(t); r.JobsResumed != 0 || !kinds(r.Findings)[queue.FoundPausedJobs] {
		t.Fatalf("%+v", r)
	}
	if got := h.statuses(t, f.JobIDs); got[0] != "PAUSED" {
		t.Fatalf("the job is %s", got[0])
	}
}

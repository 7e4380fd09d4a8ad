package consistency_test

import (
	"context"
	"errors"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue"
)

// healthyRuns is how often TestNothingIsFoundUnderLoad looks; `make healthy` sets it to 500.
func healthyRuns(t *testing.T) int {
	t.Helper()
	s := os.Getenv("LEADGENCTL_HEALTHY_RUNS")
	if s == "" {
		return 12
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("LEADGENCTL_HEALTHY_RUNS=%q is no positive number", s)
	}
	return n
}

// While the app makes jobs, a worker runs them, and the breaker opens and closes, the
// checks find nothing: work in flight is no finding.
func TestNothingIsFoundUnderLoad(t *testing.T) {
	t.Parallel()
	runs := healthyRuns(t)
	h := newHouse(t)
	h.exec("DELETE FROM jobs") // that nobody works on
	testenv.StartCeleryWorker(t, h.redis.URL, h.db.URL, servers.CeleryOptions{TaskSeconds: 0.005})
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() { h.makeJobs(ctx) })
	wg.Go(func() { h.openAndClose(ctx) })
	moved := func() error {
		return h.db.Expect("SELECT (SELECT count(*) > 4 FROM leadgenctl.breaker_transitions) AND (SELECT count(*) > 20 FROM jobs WHERE status = 'COMPLETED')")
	}
	started := time.Now()
	for n := 0; n < runs || moved() != nil; n++ {
		if n >= runs && time.Since(started) > 2*time.Minute {
			t.Fatal(moved())
		}
		r := h.run(func(o *consistency.Options) { o.Settle = 300 * time.Millisecond })
		for _, c := range r.Checks {
			if c.Status == consistency.Fail || c.Status == consistency.Errored {
				t.Errorf("run %d: %s %s: %d %q %s", n, c.ID, c.Status, c.Count, c.Samples, c.Message)
			}
		}
		if t.Failed() {
			return
		}
	}
}

// makeJobs does as the app does: a row, then its task.
func (h *house) makeJobs(ctx context.Context) {
	for ctx.Err() == nil {
		var id int64
		task := uuid.NewString()
		err := h.db.Pool.QueryRow(ctx, "INSERT INTO jobs (task_id, name, status, campaign_id) VALUES ($1, 'job', 'PENDING', $2) RETURNING id", task, h.fixture.CampaignID).Scan(&id)
		if err == nil {
			_, err = h.broker.Publish(context.Background(), task, []queue.Task{{ID: task, Name: "process_job_task", Kwargs: []queue.Kwarg{{Name: "job_id", Value: id},
				{Name: "job_type", Value: "FETCH_LEADS"}, {Name: "campaign_id", Value: h.fixture.CampaignID}}}})
		}
		if err == nil {
			err = sleep(ctx, 20*time.Millisecond)
		}
		if err != nil && ctx.Err() == nil {
			h.t.Error(err)
			return
		}
	}
}

func (h *house) openAndClose(ctx context.Context) {
	for ctx.Err() == nil {
		_, openErr := h.manager.Open(context.Background(), breaker.OpenOptions{Reason: "Apollo 502"})
		wait := sleep(ctx, 400*time.Millisecond) // work stops for a while
		_, closeErr := h.manager.Close(context.Background(), breaker.CloseOptions{}, queue.ResumeOptions{})
		if err := errors.Join(openErr, closeErr); err != nil {
			h.t.Error(err)
			return
		}
		if wait == nil {
			_ = sleep(ctx, 600*time.Millisecond) // and goes on
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

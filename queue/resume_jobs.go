package queue

import (
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// ResumeJobs resumes some paused jobs, each with exactly one task, and leaves all others as
// they are. While the breaker is open it is ErrBreakerOpen.
func (m *Manager) ResumeJobs(ctx context.Context, ids []int64) (Dispatched, error) {
	if m.settings.Broker == nil {
		return Dispatched{}, ErrNoBroker
	}
	last, err := m.closedNow(ctx, "resume jobs")
	if err != nil {
		return Dispatched{}, err
	}
	m.settings.Step("queue.resume_jobs.closed")
	err = m.inTx(ctx, "resume jobs", func(tx pgx.Tx) error {
		if last, err = latest(ctx, tx); err != nil {
			return err
		}
		if last.State == breaker.Open { // since then
			return fmt.Errorf("resume jobs: %w", ErrBreakerOpen)
		}
		if err := m.findLeads(ctx, tx, Paused); err != nil {
			return err
		}
		var n, upTo int64
		return tx.QueryRow(ctx, resumeSQL, last.Epoch, math.MinInt32, math.MaxInt32, batchSize, ids).Scan(&n, &upTo)
	})
	if err != nil {
		return Dispatched{}, err
	}
	return m.relay(ctx, m.assumeDead)
}

package queue

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// RetryOptions choose FAILED jobs to be tried again.
type RetryOptions struct {
	FailedSince time.Time // failed at or after it; required
	All         bool      // also jobs that failed for another reason than that their task could not be created
	DryRun      bool      // count only
	AssumeDead  bool      // as in ResumeOptions
}

// Retry makes FAILED jobs PENDING and gives each a new task. While the breaker is open
// it is ErrBreakerOpen.
func (m *Manager) Retry(ctx context.Context, o RetryOptions) (retried int64, d Dispatched, err error) {
	if m.settings.Broker == nil {
		return 0, d, ErrNoBroker
	}
	look := m.closedFor
	if o.DryRun {
		look = m.closedNow
	}
	last, err := look(ctx, "retry jobs")
	if err != nil {
		return 0, d, err
	}
	rows, err := m.pool.Query(ctx, `SELECT id, coalesce(task_id, '') FROM jobs
		WHERE status = 'FAILED' AND coalesce(updated_at, completed_at, created_at) >= $1 AND ($2 OR error LIKE $3)
		ORDER BY id`, o.FailedSince, o.All, FailPrefix+"%")
	if err != nil {
		return 0, d, databaseError("find failed jobs", err)
	}
	failed, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (suspect, error) {
		s := suspect{status: Failed}
		return s, row.Scan(&s.job, &s.task)
	})
	if err != nil || o.DryRun || len(failed) == 0 {
		return int64(len(failed)), d, databaseError("find failed jobs", err)
	}
	jobs, _, _ := columns(failed)
	err = m.inTx(ctx, "put failed jobs into the outbox", func(tx pgx.Tx) error {
		if err := m.findLeads(ctx, tx, Failed); err != nil {
			return err
		}
		if retried, err = requeue(ctx, tx, last.Epoch, failed); err != nil {
			return err
		}
		// A person asked for it: it counts as the first time.
		_, err := tx.Exec(ctx, "DELETE FROM leadgenctl.lost_tasks WHERE job_id IN (SELECT unnest($1::bigint[]))", jobs)
		return err
	})
	if err != nil {
		return 0, d, err
	}
	d, err = m.relay(ctx, o.AssumeDead)
	return retried, d, err
}

package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// PauseAllJobsOnBreakerOpen pauses every active job of an open breaker; it is what
// Open does after Redis, for callers that opened the breaker themselves. An empty
// reason is the breaker's own. A closed breaker is ErrBreakerClosed.
func (m *Manager) PauseAllJobsOnBreakerOpen(ctx context.Context, reason string) (Result, error) {
	st, err := m.breaker.State(ctx)
	if err != nil {
		return Result{}, err
	}
	if st.State != breaker.Open {
		return Result{}, fmt.Errorf("pause the jobs: %w", ErrBreakerClosed)
	}
	return m.withReason(reason).Reconcile(ctx)
}

func (m *Manager) withReason(reason string) *Manager {
	other := *m
	other.reason = reason
	return &other
}

// PauseJobsForService is the old, per-service signature: there is one breaker now,
// so it pauses the jobs of all services and keeps the service in the reason.
//
// Deprecated: use PauseAllJobsOnBreakerOpen.
func (m *Manager) PauseJobsForService(ctx context.Context, service string) (Result, error) {
	return m.PauseAllJobsOnBreakerOpen(ctx, service+" service unavailability")
}

// ErrNoJob says that there is no job of the given id.
var ErrNoJob = errors.New("no such job")

// ShouldProcessJob says whether a worker may start the job now: the breaker is
// closed and the job is PENDING or PROCESSING. It asks Redis and PostgreSQL, and
// changes nothing.
func (m *Manager) ShouldProcessJob(ctx context.Context, jobID int64) (bool, error) {
	st, err := m.breaker.State(ctx)
	if err != nil || st.State == breaker.Open {
		return false, err
	}
	if m.pool == nil {
		return false, ErrNoDatabase
	}
	var status Status
	err = m.pool.QueryRow(ctx, "SELECT status::text FROM jobs WHERE id = $1", jobID).Scan(&status)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, fmt.Errorf("job %d: %w", jobID, ErrNoJob)
	}
	return status.Active(), databaseError(fmt.Sprintf("read job %d", jobID), err)
}

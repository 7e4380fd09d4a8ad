package consistency

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/internal/operations"
	"github.com/leadgenctl/leadgenctl/queue"
)

// mendAll changes all jobs of a condition, however many they are.
func mendAll(where, set string) func(context.Context, *mending, []string) (int64, error) {
	return func(ctx context.Context, m *mending, _ []string) (int64, error) {
		return m.log.Jobs(ctx, operations.Change{Where: where, Set: set}, m.Mended)
	}
}

// giveNewTasks mends jobs that wait for a task which is nowhere.
func giveNewTasks(ctx context.Context, m *mending, subjects []string) (int64, error) {
	ids, err := numbers(subjects)
	if err != nil {
		return 0, err
	}
	return m.requeue(ctx, ids, "j.status = 'PENDING'")
}

// requeue pauses the jobs and lets the manager resume them: that gives each exactly
// one task, and takes up a message that has turned up meanwhile. While the breaker is
// open they stay paused, as all jobs do.
func (m *mending) requeue(ctx context.Context, ids []int64, where string) (int64, error) {
	n, err := m.log.Jobs(ctx, operations.Change{Where: where, Set: "status = 'PAUSED', updated_at = now()", IDs: ids}, m.Mended)
	if err != nil || n == 0 {
		return n, err
	}
	if _, err = m.Manager.ResumeJobs(ctx, ids); errors.Is(err, queue.ErrBreakerOpen) {
		return n, nil
	}
	return n, errors.Join(err, m.refused(ctx, ids))
}

// refused says which of the jobs could not be given a task: those are FAILED.
func (m *mending) refused(ctx context.Context, ids []int64) error {
	var (
		n   int64
		why string
	)
	err := m.Pool.QueryRow(ctx, `SELECT count(*), coalesce(min(format('job %s: %s', id, error)), '') FROM jobs
		WHERE id = ANY ($1::bigint[]) AND status = 'FAILED' AND starts_with(error, $2)`, ids, queue.FailPrefix).Scan(&n, &why)
	switch {
	case err != nil:
		return fmt.Errorf("see which jobs could not be given a task: %w", err)
	case n > 0:
		return fmt.Errorf("%d jobs could not be given a task and are FAILED; %s", n, why)
	}
	return nil
}

// Preview returns what Fix would do about a check: a line for each of the first rows, or for
// each thing that a shared fix does; nil where there is nothing to say but FixDoes.
func Preview(ctx context.Context, o FixOptions, c *Check) ([]string, error) {
	if c.FixIsShared() {
		return c.fix.plan(ctx, o.Manager)
	}
	if c.fix == nil || c.fix.row == "" || c.table == nil {
		return nil, nil
	}
	o.fill()
	ctx, cancel := context.WithTimeout(ctx, o.patience())
	defer cancel()
	rows, err := o.Pool.Query(ctx, fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT %d", c.fix.row, c.table.from, c.table.condition(&o.Options), c.table.key, o.MaxSamples))
	if err != nil {
		return nil, fmt.Errorf("look at what would change: %w", err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look at what would change: %w", err)
	}
	return lines, nil
}

package consistency

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/internal/operations"
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
	if err != nil {
		return n, err
	}
	_, err = m.Manager.Reconcile(ctx)
	return n, err
}

// Preview returns what Fix would do about a check, a line for each of the first rows; nil
// where there is nothing to say but FixDoes.
func Preview(ctx context.Context, o Options, c *Check) ([]string, error) {
	if c.fix == nil || c.fix.row == "" || c.table == nil {
		return nil, nil
	}
	o.fill()
	ctx, cancel := context.WithTimeout(ctx, o.patience())
	defer cancel()
	rows, err := o.Pool.Query(ctx, fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT %d", c.fix.row, c.table.from, c.table.condition(&o), c.table.key, o.MaxSamples))
	if err != nil {
		return nil, fmt.Errorf("look at what would change: %w", err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look at what would change: %w", err)
	}
	return lines, nil
}

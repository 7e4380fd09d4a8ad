package consistency

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/internal/operations"
	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

// Zombies says what --fix does with jobs that nobody works on.
type Zombies string

// The values of Zombies.
const (
	ZombiesRequeue Zombies = "requeue" // give each a new task
	ZombiesFail    Zombies = "fail"    // end them as FAILED
)

// ErrMayBeHeld says that jobs were left alone, for a worker may have them.
var ErrMayBeHeld = errors.New("jobs were left as they are, for a worker may have them")

// endZombies mends jobs that nobody works on. What to do and to whom is decided by the
// workers' own answers: a job that one of them has is never touched.
func endZombies(ctx context.Context, m *mending, subjects []string) (int64, error) {
	ids, err := numbers(subjects)
	if err != nil {
		return 0, err
	}
	free, err := m.free(ctx, ids)
	if err != nil || len(free) == 0 {
		return 0, err
	}
	stands := "j.status = 'PROCESSING' AND coalesce(j.updated_at, j.created_at, '-infinity') < now() - interval " + seconds(m.TaskTimeLimit)
	switch m.Zombies {
	case ZombiesRequeue:
		return m.requeue(ctx, free, stands)
	case ZombiesFail:
		return m.log.Jobs(ctx, operations.Change{Where: stands, IDs: free, Set: `status = 'FAILED', updated_at = now(), completed_at = now(),
			error = 'Failed by leadgenctl: PROCESSING for longer than the time limit, and no worker had it'`}, m.Mended)
	}
	return 0, fmt.Errorf("zombies are requeued or failed, not %q", m.Zombies)
}

// free returns the jobs that no worker has, by a look of its own at the broker and the
// workers. Where that leaves a doubt, there are none.
func (m *mending) free(ctx context.Context, ids []int64) ([]int64, error) {
	task, err := m.tasksOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	held := crew{asked: true, alive: map[string]bool{}, tasks: map[string]bool{}, jobs: map[int64]bool{}}
	fleet, err := m.Broker.Each(ctx, func(chunk []queue.Held) error {
		for _, h := range chunk {
			held.tasks[h.TaskID] = true
			held.jobs[h.JobID] = true
		}
		return nil
	})
	switch {
	case celery.MayNotAsk(err):
		return nil, fmt.Errorf("%d %w: they cannot be asked without the right to publish", len(ids), ErrMayBeHeld)
	case err != nil:
		return nil, err
	case fleet.Doubt != "":
		return nil, fmt.Errorf("%d %w: %s", len(ids), ErrMayBeHeld, fleet.Doubt)
	}
	for _, name := range fleet.Alive {
		held.alive[name] = true
	}
	by, err := startedBy(ctx, m.Broker, slices.Collect(maps.Values(task)))
	if err != nil {
		return nil, err
	}
	var free []int64
	for id, name := range task {
		if !held.holds(id, name, by[name]) {
			free = append(free, id)
		}
	}
	return free, nil
}

// tasksOf reads which task each job has.
func (m *mending) tasksOf(ctx context.Context, ids []int64) (map[int64]string, error) {
	rows, err := m.Pool.Query(ctx, "SELECT id, coalesce(task_id, '') FROM jobs WHERE id = ANY ($1::bigint[])", ids)
	task := make(map[int64]string, len(ids))
	var id int64
	var name string
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error { task[id] = name; return nil })
	}
	if err != nil {
		return nil, fmt.Errorf("read the jobs' tasks: %w", err)
	}
	return task, nil
}

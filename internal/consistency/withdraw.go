package consistency

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/queue"
)

// withdraw keeps, of each doubled job, the message of the task that its row names, or
// else the first one that is met.
func withdraw(ctx context.Context, o *FixOptions, c *Check, subjects []string) (int64, error) {
	ids, err := numbers(subjects)
	if err != nil {
		return 0, err
	}
	rows, err := o.Pool.Query(ctx, `SELECT id, coalesce(task_id, '') FROM jobs WHERE id = ANY ($1::bigint[])`, ids)
	if err != nil {
		return 0, err
	}
	task, kept := map[int64]string{}, map[int64]string{}
	var (
		id   int64
		name string
	)
	if _, err := pgx.ForEachRow(rows, []any{&id, &name}, func() error { task[id] = name; return nil }); err != nil {
		return 0, err
	}
	if err := keepOne(ctx, o, ids, task, kept); err != nil {
		return 0, err
	}
	met := map[int64]bool{}
	n, err := o.Broker.Withdraw(ctx, "fix "+c.ID, func(chunk []queue.Held) ([]bool, error) {
		out := make([]bool, len(chunk))
		for i, h := range chunk {
			keep, doubled := kept[h.JobID]
			if !doubled {
				continue
			}
			out[i] = h.TaskID != keep || met[h.JobID]
			met[h.JobID] = met[h.JobID] || h.TaskID == keep
		}
		return out, nil
	})
	if err != nil {
		return n, err
	}
	_, err = o.Pool.Exec(ctx, `INSERT INTO leadgenctl.operations (actor, operation, detail)
		VALUES ($1, $2, jsonb_build_object('messages', $3::bigint, 'jobs', $4::bigint[]))`, o.Actor, "fix "+c.ID, n, ids)
	return n, err
}

// keepOne chooses which message of each job stays.
func keepOne(ctx context.Context, o *FixOptions, ids []int64, task, kept map[int64]string) error {
	doubled := map[int64]bool{}
	for _, id := range ids {
		doubled[id] = true
	}
	_, err := o.Broker.Each(ctx, func(chunk []queue.Held) error {
		for _, h := range chunk {
			if _, ok := kept[h.JobID]; doubled[h.JobID] && (!ok || h.TaskID == task[h.JobID]) {
				kept[h.JobID] = h.TaskID
			}
		}
		return nil
	})
	return err
}

package consistency

import (
	"context"
	"errors"

	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

// withdraw keeps, of each doubled job, the message of the task that its row names, or
// else the first one that is met.
func withdraw(ctx context.Context, m *mending, subjects []string) (int64, error) {
	ids, err := numbers(subjects)
	if err != nil {
		return 0, err
	}
	task, err := m.tasksOf(ctx, ids)
	if err != nil {
		return 0, err
	}
	kept := map[int64]string{}
	if err := keepOne(ctx, m, ids, task, kept); err != nil {
		return 0, err
	}
	met := map[int64]bool{}
	batch, n, err := m.Broker.TakeOut(ctx, false, func(f celery.Found) bool {
		keep, doubled := kept[f.JobID]
		if !doubled {
			return false
		}
		out := f.TaskID != keep || met[f.JobID]
		met[f.JobID] = met[f.JobID] || f.TaskID == keep
		return out
	})
	m.Mended(n)
	if n > 0 {
		err = errors.Join(err, m.log.Log(ctx, "", map[string]any{"messages": n, "batch": batch, "job_ids": ids}))
	}
	return n, err
}

// keepOne chooses which message of each job stays.
func keepOne(ctx context.Context, m *mending, ids []int64, task, kept map[int64]string) error {
	doubled := map[int64]bool{}
	for _, id := range ids {
		doubled[id] = true
	}
	_, err := m.Broker.Each(ctx, func(chunk []queue.Held) error {
		for _, h := range chunk {
			if _, ok := kept[h.JobID]; doubled[h.JobID] && (!ok || h.TaskID == task[h.JobID]) {
				kept[h.JobID] = h.TaskID
			}
		}
		return nil
	})
	return err
}

package queue

import (
	"context"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"
)

// wanted are the jobs that a survey looks for, by job id and by task id. There may be a
// million: job ids are integers of four bytes.
type wanted struct {
	runs  func(task string) bool // whether the job_id of such a task is the job that it runs
	texts taskTexts
	jobs  []int32 // sorted
	old   []wantedTask
	next  []wantedTask // ids that are in the outbox
}

type wantedTask struct {
	id  taskID
	job int32
}

// wantedSQL finds the jobs that are paused or on their way, with their task ids.
const wantedSQL = `SELECT id, coalesce(task_id, ''), '' FROM jobs WHERE status = 'PAUSED'`

const wantedOutboxSQL = `SELECT u.job, u.old, u.next::text
	FROM leadgenctl.outbox AS o, unnest(o.job_ids, o.task_ids, o.old_task_ids) AS u (job, next, old)
	WHERE o.published_at IS NULL`

func (m *Manager) newWanted() wanted { return wanted{runs: m.runs, texts: taskTexts{}} }

func (m *Manager) wanted(ctx context.Context, queries ...string) (wanted, error) {
	w := m.newWanted()
	for _, sql := range queries {
		rows, err := m.pool.Query(ctx, sql)
		if err != nil {
			return w, err
		}
		var job int32
		var old, next string
		if _, err := pgx.ForEachRow(rows, []any{&job, &old, &next}, func() error {
			w.add(job, old)
			if next != "" {
				w.next = append(w.next, wantedTask{w.texts.add(next), job})
			}
			return nil
		}); err != nil {
			return w, err
		}
	}
	w.sort()
	return w, nil
}

// add wants a job, with its task where it has one.
func (w *wanted) add(job int32, task string) {
	w.jobs = append(w.jobs, job)
	if task != "" {
		w.old = append(w.old, wantedTask{w.texts.add(task), job})
	}
}

func (w *wanted) sort() {
	slices.Sort(w.jobs)
	w.jobs = slices.Compact(w.jobs)
	for _, tasks := range [][]wantedTask{w.old, w.next} {
		slices.SortFunc(tasks, func(a, b wantedTask) int { return a.id.compare(b.id) })
	}
}

func find(tasks []wantedTask, id taskID) (job int32, ok bool) {
	i, ok := slices.BinarySearchFunc(tasks, id, func(t wantedTask, id taskID) int { return t.id.compare(id) })
	if !ok {
		return 0, false
	}
	return tasks[i].job, true
}

// has says whether a job is wanted.
func (w *wanted) has(job int64) bool {
	if job > math.MaxInt32 {
		return false
	}
	_, ok := slices.BinarySearch(w.jobs, int32(job))
	return ok
}

// job returns the job that a found task belongs to, 0 for none that is wanted.
func (w *wanted) job(h Held) int32 {
	if h.JobID > 0 && (h.Name == "" || w.runs(h.Name)) && w.has(h.JobID) {
		return int32(h.JobID)
	}
	id := taskIDOf(h.TaskID)
	if job, ok := find(w.old, id); ok {
		return job
	}
	job, _ := find(w.next, id)
	return job
}

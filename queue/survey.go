package queue

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// survey knows where the tasks of jobs are that are to be resumed. It may grow old
// without harm: a message only moves on, from the queue to a worker to its end, and
// each step is checked again when it matters.
type survey struct {
	fleet Fleet
	hits  []hit // sorted by job
}

// hit is one task of a job, found.
type hit struct {
	job    int64
	id     taskID
	worker string
	place  Place
}

// wanted are the jobs that a survey looks for, by job id and by task id.
type wanted struct {
	jobs  []int64 // sorted
	tasks []wantedTask
}

type wantedTask struct {
	id  taskID
	job int64
}

// wantedSQL finds the jobs that are paused or on their way, with their task ids.
const wantedSQL = `SELECT id, coalesce(task_id, '') FROM jobs WHERE status = 'PAUSED'`

const wantedOutboxSQL = `SELECT u.job, unnest(ARRAY[u.new::text, u.old])
	FROM leadgenctl.outbox AS o, unnest(o.job_ids, o.task_ids, o.old_task_ids) AS u (job, new, old)
	WHERE o.published_at IS NULL`

func (m *Manager) wanted(ctx context.Context, queries ...string) (wanted, error) {
	var w wanted
	for _, sql := range queries {
		rows, err := m.pool.Query(ctx, sql)
		if err != nil {
			return w, err
		}
		var job int64
		var id string
		if _, err := pgx.ForEachRow(rows, []any{&job, &id}, func() error {
			w.jobs = append(w.jobs, job)
			if id != "" {
				w.tasks = append(w.tasks, wantedTask{taskIDOf(id), job})
			}
			return nil
		}); err != nil {
			return w, err
		}
	}
	w.sort()
	return w, nil
}

func (w *wanted) sort() {
	slices.Sort(w.jobs)
	w.jobs = slices.Compact(w.jobs)
	slices.SortFunc(w.tasks, func(a, b wantedTask) int { return a.id.compare(b.id) })
}

// job returns the job that a found task belongs to, 0 for none that is wanted.
func (w wanted) job(h Held) int64 {
	if h.JobID != 0 {
		if _, ok := slices.BinarySearch(w.jobs, h.JobID); ok {
			return h.JobID
		}
	}
	id := taskIDOf(h.TaskID)
	if i, ok := slices.BinarySearchFunc(w.tasks, id, func(t wantedTask, id taskID) int { return t.id.compare(id) }); ok {
		return w.tasks[i].job
	}
	return 0
}

// look makes the survey of the jobs that are wanted. Where a worker is silent, it asks
// for the results of the tasks that were not found.
func (m *Manager) look(ctx context.Context, w wanted) (*survey, error) {
	return m.lookNaming(ctx, w, nil)
}

// lookNaming is look, and notes the names of the tasks that were found.
func (m *Manager) lookNaming(ctx context.Context, w wanted, names map[taskID]string) (*survey, error) {
	s := &survey{}
	if len(w.jobs) == 0 {
		var err error
		s.fleet, err = m.settings.Broker.Workers(ctx)
		return s, brokerError("ask the workers", err)
	}
	var err error
	s.fleet, err = m.settings.Broker.Each(ctx, func(chunk []Held) error {
		for _, h := range chunk {
			if s.add(w, h) && names != nil {
				names[taskIDOf(h.TaskID)] = h.Name
			}
		}
		return nil
	})
	if err != nil {
		return nil, brokerError("look where the tasks are", err)
	}
	s.sort()
	if s.fleet.Silent == 0 {
		return s, nil
	}
	if err := m.lookAtResults(ctx, w, s); err != nil {
		return nil, err
	}
	s.sort()
	return s, nil
}

func (s *survey) add(w wanted, h Held) bool {
	job := w.job(h)
	if job != 0 {
		s.hits = append(s.hits, hit{job: job, id: taskIDOf(h.TaskID), worker: h.Worker, place: h.Place})
	}
	return job != 0
}

func (s *survey) sort() {
	slices.SortStableFunc(s.hits, func(a, b hit) int { return cmp.Or(cmp.Compare(a.job, b.job), a.id.compare(b.id)) })
	// Of one task told more than once the last word counts: it had moved on.
	out := s.hits[:0]
	for i, h := range s.hits {
		if i+1 < len(s.hits) && s.hits[i+1].job == h.job && s.hits[i+1].id == h.id {
			continue
		}
		out = append(out, h)
	}
	s.hits = out
}

// lookAtResults makes tasks unknown that a worker began and that did not answer.
func (m *Manager) lookAtResults(ctx context.Context, w wanted, s *survey) error {
	const chunk = 2000
	var ids []string
	ask := func() error {
		started, err := m.settings.Broker.Started(ctx, ids)
		for _, h := range started {
			if !slices.Contains(s.fleet.Alive, h.Worker) {
				h.Place = PlaceUnknown
				s.add(w, h)
			}
		}
		ids = ids[:0]
		return brokerError("read the results of tasks", err)
	}
	found := s.hits // add appends: the search must not see what is not sorted in yet
	for _, t := range w.tasks {
		if _, ok := slices.BinarySearchFunc(found, t.job, func(h hit, job int64) int { return cmp.Compare(h.job, job) }); ok {
			continue
		}
		if ids = append(ids, t.id.String()); len(ids) == chunk {
			if err := ask(); err != nil {
				return err
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return ask()
}

// of returns what was found of a job.
func (s *survey) of(job int64) []hit {
	i, ok := slices.BinarySearchFunc(s.hits, job, func(h hit, job int64) int { return cmp.Compare(h.job, job) })
	if !ok {
		return nil
	}
	j := i
	for j < len(s.hits) && s.hits[j].job == job {
		j++
	}
	return s.hits[i:j]
}

// unregistered refuses tasks that workers answered they do not know: they would drop
// them silently. Where no worker answers nothing is known, and nothing refused.
func (s *survey) unregistered(tasks []string) error {
	if s.fleet.Registered == nil {
		return nil
	}
	for _, name := range tasks {
		if !s.fleet.Registered[name] {
			return fmt.Errorf("task %q: %w", name, ErrUnregistered)
		}
	}
	return nil
}

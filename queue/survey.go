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
	wanted wanted
	fleet  Fleet
	hits   []hit // sorted by job
}

// hit is one task of a job, found.
type hit struct {
	job    int64
	id     taskID
	worker string
	place  Place
	copy   uint64 // of a queued message; see Held
	copies int    // how many queued messages the task has
}

// wanted are the jobs that a survey looks for, by job id and by task id.
type wanted struct {
	runs func(task string) bool // whether the job_id of such a task is the job that it runs
	jobs []int64                // sorted
	old  []wantedTask
	next []wantedTask // ids that are in the outbox
}

type wantedTask struct {
	id  taskID
	job int64
}

// wantedSQL finds the jobs that are paused or on their way, with their task ids.
const wantedSQL = `SELECT id, coalesce(task_id, ''), '' FROM jobs WHERE status = 'PAUSED'`

const wantedOutboxSQL = `SELECT u.job, u.old, u.next::text
	FROM leadgenctl.outbox AS o, unnest(o.job_ids, o.task_ids, o.old_task_ids) AS u (job, next, old)
	WHERE o.published_at IS NULL`

func (m *Manager) wanted(ctx context.Context, queries ...string) (wanted, error) {
	w := wanted{runs: m.runs}
	for _, sql := range queries {
		rows, err := m.pool.Query(ctx, sql)
		if err != nil {
			return w, err
		}
		var job int64
		var old, next string
		if _, err := pgx.ForEachRow(rows, []any{&job, &old, &next}, func() error {
			w.jobs = append(w.jobs, job)
			if old != "" {
				w.old = append(w.old, wantedTask{taskIDOf(old), job})
			}
			if next != "" {
				w.next = append(w.next, wantedTask{taskIDOf(next), job})
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
	for _, tasks := range [][]wantedTask{w.old, w.next} {
		slices.SortFunc(tasks, func(a, b wantedTask) int { return a.id.compare(b.id) })
	}
}

func find(tasks []wantedTask, id taskID) (job int64, ok bool) {
	i, ok := slices.BinarySearchFunc(tasks, id, func(t wantedTask, id taskID) int { return t.id.compare(id) })
	if !ok {
		return 0, false
	}
	return tasks[i].job, true
}

// job returns the job that a found task belongs to, 0 for none that is wanted.
func (w wanted) job(h Held) int64 {
	if h.JobID != 0 && (h.Name == "" || w.runs(h.Name)) {
		if _, ok := slices.BinarySearch(w.jobs, h.JobID); ok {
			return h.JobID
		}
	}
	id := taskIDOf(h.TaskID)
	if job, ok := find(w.old, id); ok {
		return job
	}
	job, _ := find(w.next, id)
	return job
}

// survey looks for the jobs that the queries tell. First it retracts what may still be
// published of jobs that were paused since, so that nothing comes up behind it.
func (m *Manager) survey(ctx context.Context, queries ...string) (*survey, error) {
	if err := m.retract(ctx); err != nil {
		return nil, err
	}
	w, err := m.wanted(ctx, queries...)
	if err != nil {
		return nil, databaseError("read the paused jobs and the outbox", err)
	}
	if len(w.jobs) == 0 {
		return &survey{wanted: w}, nil
	}
	return patiently(ctx, m, func() (*survey, error) { return m.look(ctx, w) })
}

// look makes the survey of the jobs that are wanted. Where a worker is silent, it asks
// for the results of the tasks that were not found.
func (m *Manager) look(ctx context.Context, w wanted) (*survey, error) {
	return m.lookNaming(ctx, w, nil)
}

// lookNaming is look, and notes the names of the tasks that were found.
func (m *Manager) lookNaming(ctx context.Context, w wanted, names map[taskID]string) (*survey, error) {
	s := &survey{wanted: w}
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
		s.hits = append(s.hits, hit{job: job, id: taskIDOf(h.TaskID), worker: h.Worker, place: h.Place, copy: h.Copy})
	}
	return job != 0
}

func (s *survey) sort() {
	slices.SortStableFunc(s.hits, func(a, b hit) int { return cmp.Or(cmp.Compare(a.job, b.job), a.id.compare(b.id)) })
	// Of one task told more than once the last word counts: it had moved on. Of one that
	// is queued it matters how many messages it has.
	out := s.hits[:0]
	var copies []uint64
	for i, h := range s.hits {
		if h.copy != 0 && !slices.Contains(copies, h.copy) {
			copies = append(copies, h.copy)
		}
		if i+1 < len(s.hits) && s.hits[i+1].job == h.job && s.hits[i+1].id == h.id {
			continue
		}
		h.copies, copies = max(1, len(copies), h.copies), copies[:0]
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
	for _, tasks := range [][]wantedTask{w.old, w.next} {
		for _, t := range tasks {
			if _, ok := slices.BinarySearchFunc(found, t.job, func(h hit, job int64) int { return cmp.Compare(h.job, job) }); ok {
				continue
			}
			if ids = append(ids, t.id.String()); len(ids) == chunk {
				if err := ask(); err != nil {
					return err
				}
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

// covers says whether the survey knows where the tasks of an entry of the outbox are:
// it was made after the entry was, or after what the entry replaces was. An entry that
// another process made since then may have a message on the queue that was not looked for.
func (s *survey) covers(e entryRow) bool {
	if _, ok := find(s.wanted.next, taskIDOf(e.next.String())); ok {
		return true
	}
	if e.old == "" {
		_, ok := slices.BinarySearch(s.wanted.jobs, e.ID)
		return ok
	}
	_, ok := find(s.wanted.old, taskIDOf(e.old))
	return ok
}

// published says whether the new task of an entry is on the broker already.
func (s *survey) published(e entryRow) bool {
	return slices.ContainsFunc(s.of(e.ID), func(h hit) bool { return h.id == taskIDOf(e.next.String()) })
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

package queue

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
)

// survey knows where the tasks of jobs are that are to be resumed. It may grow old
// without harm: a message only moves on, from the queue to a worker to its end, and
// each step is checked again when it matters.
type survey struct {
	wanted wanted
	fleet  Fleet
	// workers are the names of those that hold hits.
	workers []string
	hits    []hit // sorted by job
}

// hit is one task of a job, found. There may be a million of them.
type hit struct {
	id     taskID
	copy   uint32 // of a queued message; see Held
	job    int32
	worker uint16 // its place among the workers
	copies uint16 // how many queued messages the task has
	place  uint8  // its place among the places
}

var places = [...]Place{PlaceQueued, PlaceAbandoned, PlaceReserved, PlaceRunning, PlaceUnknown}

func (h hit) in() Place { return places[h.place] }

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
			if s.add(h) && names != nil {
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
	if err := m.lookAtResults(ctx, s); err != nil {
		return nil, err
	}
	s.sort()
	return s, nil
}

func (s *survey) add(h Held) bool {
	job := s.wanted.job(h)
	if job != 0 {
		s.hits = append(s.hits, hit{job: job, id: s.wanted.texts.add(h.TaskID), worker: s.number(h.Worker),
			place: uint8(slices.Index(places[:], h.Place)), copy: h.Copy})
	}
	return job != 0
}

// number is the place of a worker among the workers.
func (s *survey) number(worker string) uint16 {
	i := slices.Index(s.workers, worker)
	if i < 0 {
		i = len(s.workers)
		s.workers = append(s.workers, worker)
	}
	return uint16(i)
}

func (s *survey) workerOf(h hit) string { return s.workers[h.worker] }

func (s *survey) sort() {
	slices.SortStableFunc(s.hits, func(a, b hit) int { return cmp.Or(cmp.Compare(a.job, b.job), a.id.compare(b.id)) })
	// Of one task told more than once the last word counts: it had moved on. Of one that
	// is queued it matters how many messages it has.
	out := s.hits[:0]
	var copies []uint32
	for i, h := range s.hits {
		if h.copy != 0 && !slices.Contains(copies, h.copy) {
			copies = append(copies, h.copy)
		}
		if i+1 < len(s.hits) && s.hits[i+1].job == h.job && s.hits[i+1].id == h.id {
			continue
		}
		h.copies, copies = max(1, uint16(min(len(copies), math.MaxUint16)), h.copies), copies[:0]
		out = append(out, h)
	}
	s.hits = out
}

// lookAtResults makes tasks unknown that a worker began and that did not answer.
func (m *Manager) lookAtResults(ctx context.Context, s *survey) error {
	const chunk = 2000
	var ids []string
	ask := func() error {
		started, err := m.settings.Broker.Started(ctx, ids)
		for _, h := range started {
			if !slices.Contains(s.fleet.Alive, h.Worker) {
				h.Place = PlaceUnknown
				s.add(h)
			}
		}
		ids = ids[:0]
		return brokerError("read the results of tasks", err)
	}
	found := s.hits // add appends: the search must not see what is not sorted in yet
	for _, tasks := range [][]wantedTask{s.wanted.old, s.wanted.next} {
		for _, t := range tasks {
			if _, ok := slices.BinarySearchFunc(found, t.job, func(h hit, job int32) int { return cmp.Compare(h.job, job) }); ok {
				continue
			}
			if ids = append(ids, s.wanted.texts.text(t.id)); len(ids) == chunk {
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
	i, ok := slices.BinarySearchFunc(s.hits, job, func(h hit, job int64) int { return cmp.Compare(int64(h.job), job) })
	if !ok {
		return nil
	}
	j := i
	for j < len(s.hits) && int64(s.hits[j].job) == job {
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
		return s.wanted.has(e.ID)
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

package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// unknownWait is how long a task that a silent worker may hold is left alone.
const unknownWait = 30 * time.Second

// Dispatched counts what became of the jobs of the outbox.
type Dispatched struct {
	TasksCreated     int64 // new tasks on the broker
	TasksReused      int64 // new tasks that took the place of a message that was still queued
	JobsStillRunning int64 // back to PROCESSING: a worker has the task
	JobsFailed       int64 // FAILED: their task could not be created
	JobsUnknown      int64 // left in the outbox: a silent worker may have the task
	OutboxPending    int64 // jobs whose task is not on the broker yet, when the call ended
}

func (d *Dispatched) add(o Dispatched) {
	d.TasksCreated += o.TasksCreated
	d.TasksReused += o.TasksReused
	d.JobsStillRunning += o.JobsStillRunning
	d.JobsFailed += o.JobsFailed
	d.JobsUnknown += o.JobsUnknown
}

// lanes is how many batches are on their way at once: while the broker takes one, the
// next is read and encoded.
const lanes = 2

// dispatchAll is dispatch in several lanes, where there is more than one batch.
func (m *Manager) dispatchAll(ctx context.Context, sv *survey, assumeDead bool) (total Dispatched, again bool, err error) {
	n := lanes
	if len(sv.wanted.next) <= batchSize {
		n = 1
	}
	var mu sync.Mutex
	var g errgroup.Group
	for range n {
		g.Go(func() error {
			d, more, err := m.dispatch(ctx, sv, assumeDead)
			mu.Lock()
			defer mu.Unlock()
			total.add(d)
			again = again || more
			return err
		})
	}
	err = g.Wait()
	return total, again, err
}

// dispatch publishes every batch of the outbox that is due, in two transactions each:
// the first decides what is published and seals that, the second publishes it. It
// stops when the breaker opens. again says that a batch was left since the survey does
// not cover it, or not any more.
func (m *Manager) dispatch(ctx context.Context, sv *survey, assumeDead bool) (total Dispatched, again bool, err error) {
	for after := int64(0); ; {
		if err := m.stillClosed(ctx); err != nil {
			return total, again, err
		}
		b, d, err := m.seal(ctx, sv, after, assumeDead)
		total.add(d)
		if err != nil || b == nil {
			return total, again, err
		}
		after = b.id
		m.settings.Step("queue.dispatch.sealed")
		if b.unseen || len(b.jobs) == 0 {
			again = again || b.unseen
			continue
		}
		if b.sealedBefore && !m.settings.Broker.Idempotent() && sv.fleet.Doubt != "" {
			total.JobsUnknown += int64(len(b.jobs)) // another relay may have published it already
			continue
		}
		d, err = m.publishPatiently(ctx, b.id, sv)
		total.add(d)
		if errors.Is(err, ErrRetracted) {
			again = true
			continue
		}
		if err != nil {
			return total, again, err
		}
		m.settings.Step("queue.dispatch.published")
	}
}

func (m *Manager) stillClosed(ctx context.Context) error {
	st, err := m.breaker.State(ctx)
	if err == nil && st.State == breaker.Open {
		err = ErrReopened
	}
	return err
}

// taskNames are the tasks of some jobs.
func (m *Manager) taskNames(entries []entryRow) []string {
	var names []string
	for _, e := range entries {
		if name := m.settings.Tasks[e.Type].Task; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// seal decides about each job of the next batch.
func (m *Manager) seal(ctx context.Context, sv *survey, after int64, assumeDead bool) (b *batch, d Dispatched, err error) {
	err = pgx.BeginFunc(ctx, m.pool, func(tx pgx.Tx) error {
		if b, err = claimNext(ctx, tx, after); err != nil || b == nil || b.sealed {
			return err
		}
		now, err := latest(ctx, tx)
		if err == nil && now.State == breaker.Open {
			err = ErrReopened
		}
		if err != nil {
			return err
		}
		entries, err := b.load(ctx, tx, true)
		if err != nil {
			return err
		}
		if b.unseen = slices.ContainsFunc(entries, func(e entryRow) bool { return !sv.covers(e) }); b.unseen {
			return nil
		}
		b.replaces = map[int64][]Message{}
		var s settlement
		var publish, unknown []entryRow
		for _, e := range entries {
			switch m.decide(sv, b, e, assumeDead, &s) {
			case decidePublish:
				publish = append(publish, e)
			case decideUnknown:
				unknown = append(unknown, e)
			case decideCreated:
				d.TasksCreated++
			}
		}
		d.JobsStillRunning, d.JobsFailed, d.JobsUnknown = int64(len(s.held)), int64(len(s.failed)), int64(len(unknown))
		if err := s.write(ctx, tx, b.epoch); err != nil {
			return err
		}
		if err := b.putOff(ctx, tx, unknown, b.attempts, unknownWait, ErrUnknownHolder.Error()+": "+sv.fleet.Doubt); err != nil {
			return err
		}
		if err := sv.unregistered(m.taskNames(publish)); err != nil {
			return err
		}
		defer m.tell(s.failed)
		return b.keep(ctx, tx, publish)
	})
	return b, d, databaseError("prepare tasks of the outbox", err)
}

func (m *Manager) tell(failed []failedJob) {
	for _, f := range failed {
		m.settings.OnFailure(Failure{JobID: f.ID, TaskID: f.next.String(), Attempts: f.attempts, Err: errors.New(f.cause)})
	}
}

type decision int

const (
	decideDrop decision = iota
	decidePublish
	decideUnknown
	decideCreated
)

// decide says what one job of the outbox gets; it is settled in s where that is no task.
func (m *Manager) decide(sv *survey, b *batch, e entryRow, assumeDead bool, s *settlement) decision {
	if e.taskID != e.next.String() {
		return decideDrop // it was paused and resumed again, or somebody else gave it a task
	}
	if e.status == Processing {
		s.hold(e, "", "") // a worker began the old message meanwhile
		return decideDrop
	}
	if e.status != Pending {
		return decideDrop
	}
	hits := sv.of(e.ID)
	// A worker that does not answer may have a message on its way to it, which is in no
	// list and has no result yet; a queue that cannot be read may hold it.
	unknown := len(hits) == 0 && e.old != "" && sv.fleet.Doubt != ""
	for _, h := range hits {
		switch {
		case h.id == taskIDOf(e.next.String()):
			if m.settings.Tasks[e.Type].Row == RowSupersede {
				s.superseded = append(s.superseded, e)
			}
			return decideCreated // an earlier call published it, and died before it wrote that down
		case h.in() == PlaceReserved || h.in() == PlaceRunning:
			s.hold(e, sv.wanted.texts.text(h.id), sv.workerOf(h))
			return decideDrop
		case h.in() == PlaceUnknown:
			unknown = true
		default:
			for range h.copies {
				b.replaces[e.ID] = append(b.replaces[e.ID], Message{sv.wanted.texts.text(h.id), h.in() == PlaceAbandoned})
			}
		}
	}
	if unknown && !assumeDead {
		delete(b.replaces, e.ID)
		return decideUnknown
	}
	if _, err := m.taskOf(e); err != nil {
		s.fail(e, 0, err.Error())
		return decideDrop
	}
	return decidePublish
}

func (m *Manager) taskOf(e entryRow) (Task, error) {
	spec, ok := m.settings.Tasks[e.Type]
	if !ok {
		return Task{}, fmt.Errorf("no task is configured for job type %s", e.Type)
	}
	return spec.task(e.next.String(), e.jobRow)
}

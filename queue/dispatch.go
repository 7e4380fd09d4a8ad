package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
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
		case h.place == PlaceReserved || h.place == PlaceRunning:
			s.hold(e, h.id.String(), h.worker)
			return decideDrop
		case h.place == PlaceUnknown:
			unknown = true
		default:
			for range h.copies {
				b.replaces[e.ID] = append(b.replaces[e.ID], Message{h.id.String(), h.place == PlaceAbandoned})
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

// publishPatiently tries a batch again, with growing waits, while the broker is away.
func (m *Manager) publishPatiently(ctx context.Context, id int64, sv *survey) (Dispatched, error) {
	return patiently(ctx, m, func() (Dispatched, error) { return m.publish(ctx, id, sv) })
}

// patiently repeats fn while the broker is away, at most Settings.MaxAttempts times.
func patiently[T any](ctx context.Context, m *Manager, fn func() (T, error)) (T, error) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = m.settings.RetryDelay / 4
	wait.MaxInterval = 10 * m.settings.RetryDelay
	return backoff.Retry(ctx, func() (T, error) {
		v, err := fn()
		// What may have arrived is not sent again blindly.
		again := errors.Is(err, ErrBrokerAway) && (m.settings.Broker.Idempotent() || errors.Is(err, ErrNotSent))
		if err != nil && !again {
			err = backoff.Permanent(err)
		}
		return v, err
	}, backoff.WithBackOff(wait), backoff.WithMaxTries(uint(m.settings.MaxAttempts)))
}

// publish sends a sealed batch. The lock on its row lasts as long, so that a relay that
// dies lets go of it; the broker knows the batch, so that sending it again is harmless.
func (m *Manager) publish(ctx context.Context, id int64, sv *survey) (d Dispatched, err error) {
	var away error
	err = pgx.BeginFunc(ctx, m.pool, func(tx pgx.Tx) error {
		b, err := claim(ctx, tx, id)
		if err != nil || b == nil {
			return err // nil: another relay has it
		}
		entries, err := b.load(ctx, tx, false)
		if err != nil {
			return err
		}
		entries = slices.DeleteFunc(entries, func(e entryRow) bool { return e.status != Pending || e.taskID != e.next.String() })
		tasks := make([]Task, 0, len(entries))
		skip := make([]bool, len(entries))
		for i, e := range entries {
			skip[i] = !m.settings.Broker.Idempotent() && sv.published(e)
			t, err := m.taskOf(e)
			if err != nil {
				return err // it was well when the batch was sealed
			}
			t.Replaces = b.replaces[e.ID]
			tasks = append(tasks, t)
		}
		var deliveries []Delivery
		if len(tasks) > 0 {
			if err := m.lend(ctx, tx, entries); err != nil {
				return err
			}
			deliveries, away = m.send(ctx, b.batch, tasks, skip)
			if err := m.takeBack(ctx, tx, entries); err != nil {
				return err
			}
		}
		if errors.Is(away, ErrRetracted) {
			return nil
		}
		if away != nil {
			return b.note(ctx, tx, away)
		}
		m.settings.Step("queue.dispatch.sent")
		d, err = m.settle(ctx, tx, b, entries, deliveries)
		return err
	})
	if err == nil && errors.Is(away, ErrRetracted) {
		return d, fmt.Errorf("publish tasks: %w", away)
	}
	if err == nil && away != nil {
		err = brokerError("publish tasks", away)
	}
	return d, databaseError("publish tasks of the outbox", err)
}

// send publishes tasks, but those that are on the broker already.
func (m *Manager) send(ctx context.Context, batch string, tasks []Task, skip []bool) ([]Delivery, error) {
	if !slices.Contains(skip, true) {
		return m.settings.Broker.Publish(ctx, batch, tasks)
	}
	var left []Task
	for i, t := range tasks {
		if !skip[i] {
			left = append(left, t)
		}
	}
	sent, err := m.settings.Broker.Publish(ctx, batch, left)
	if err != nil {
		return nil, err
	}
	out := make([]Delivery, len(tasks))
	for i := range out {
		if out[i].Outcome = Duplicate; !skip[i] {
			out[i], sent = sent[0], sent[1:]
		}
	}
	return out, nil
}

// lend takes the task ids off the rows whose tasks make rows of their own with them. A
// worker may begin before this transaction ends: its insert then waits for the end, and
// would fail at once if the id were still on the old row.
func (m *Manager) lend(ctx context.Context, tx pgx.Tx, entries []entryRow) error {
	_, err := tx.Exec(ctx, "UPDATE jobs SET task_id = NULL WHERE id = ANY ($1::bigint[])", m.superseding(entries))
	return err
}

// takeBack puts the ids back; settle decides in the same transaction which of them go.
func (m *Manager) takeBack(ctx context.Context, tx pgx.Tx, entries []entryRow) error {
	var next []string
	for _, e := range entries {
		if m.settings.Tasks[e.Type].Row == RowSupersede {
			next = append(next, e.next.String())
		}
	}
	_, err := tx.Exec(ctx, `UPDATE jobs AS j SET task_id = u.task FROM unnest($1::bigint[], $2::text[]) AS u (id, task)
		WHERE j.id = u.id`, m.superseding(entries), next)
	return err
}

// superseding are the jobs whose rows give way to one that the task makes.
func (m *Manager) superseding(entries []entryRow) []int64 {
	var ids []int64
	for _, e := range entries {
		if m.settings.Tasks[e.Type].Row == RowSupersede {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

func (b *batch) note(ctx context.Context, tx pgx.Tx, cause error) error {
	_, err := tx.Exec(ctx, "UPDATE leadgenctl.outbox SET last_error = $2 WHERE id = $1", b.id, cause.Error())
	return err
}

// settle writes down what became of a batch that the broker took.
func (m *Manager) settle(ctx context.Context, tx pgx.Tx, b *batch, entries []entryRow, deliveries []Delivery) (Dispatched, error) {
	var d Dispatched
	var s settlement
	var published, again []entryRow
	var why string
	for i, e := range entries {
		out := deliveries[i]
		switch out.Outcome {
		case Missed:
			s.hold(e, first(b.replaces[e.ID]), "")
			continue
		case Rejected:
			if b.attempts+1 < m.settings.MaxAttempts {
				e.old = "" // it is gone, or this one would not have been sent
				again, why = append(again, e), out.Err.Error()
				continue
			}
			s.fail(e, b.attempts+1, out.Err.Error())
			continue
		case Unfit:
			s.fail(e, b.attempts+1, out.Err.Error())
			continue
		case Replaced:
			d.TasksReused++
		default:
			d.TasksCreated++
		}
		published = append(published, e)
		if m.settings.Tasks[e.Type].Row == RowSupersede {
			s.superseded = append(s.superseded, e)
		}
	}
	d.JobsStillRunning, d.JobsFailed = int64(len(s.held)), int64(len(s.failed))
	if err := s.write(ctx, tx, b.epoch); err != nil {
		return d, err
	}
	if err := b.putOff(ctx, tx, again, b.attempts+1, m.delay(b.attempts), why); err != nil {
		return d, err
	}
	defer m.tell(s.failed)
	if err := b.keep(ctx, tx, published); err != nil || len(published) == 0 {
		return d, err
	}
	_, err := tx.Exec(ctx, "UPDATE leadgenctl.outbox SET published_at = clock_timestamp() WHERE id = $1", b.id)
	return d, err
}

// delay is the wait after an attempt that the broker refused: it doubles, with jitter.
func (m *Manager) delay(attempts int) time.Duration {
	d := m.settings.RetryDelay << min(attempts, 10)
	return d/2 + rand.N(d)
}

func first(messages []Message) string {
	if len(messages) == 0 {
		return ""
	}
	return messages[0].TaskID
}

package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
)

// This file is the second half of a dispatch: a sealed batch goes to the broker.

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

package queue

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// entry is a row of the durable log of transitions.
type entry struct {
	Epoch     int64
	Previous  string
	State     breaker.State
	At        time.Time
	OpenedAt  *time.Time
	Reason    string
	Service   string
	ErrorType string
	Actor     string
	Source    string
	Applied   bool
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// latest returns the log's last entry; one with epoch 0 and state closed where
// there is none.
func latest(ctx context.Context, q querier) (entry, error) {
	e := entry{State: breaker.Closed, Applied: true}
	err := q.QueryRow(ctx, `SELECT epoch, coalesce(previous_state, ''), state, at, opened_at, coalesce(reason, ''),
			coalesce(service, ''), coalesce(error_type, ''), coalesce(actor, ''), source, applied_at IS NOT NULL
		FROM leadgenctl.breaker_transitions ORDER BY epoch DESC LIMIT 1`).Scan(&e.Epoch, &e.Previous, &e.State, &e.At,
		&e.OpenedAt, &e.Reason, &e.Service, &e.ErrorType, &e.Actor, &e.Source, &e.Applied)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return e, err
}

// durable is e as the breaker takes it.
func (e entry) durable() breaker.Durable {
	d := breaker.Durable{State: e.State, Epoch: e.Epoch, At: e.At, Reason: e.Reason, Service: e.Service,
		ErrorType: e.ErrorType, Actor: e.Actor, Source: e.Source}
	if e.OpenedAt != nil {
		d.OpenedAt = *e.OpenedAt
	}
	if e.State == breaker.Closed {
		d.ClosedAt = e.At
	}
	return d
}

func entryOf(t breaker.Transition) entry {
	return entry{Epoch: t.Epoch, Previous: string(t.Previous), State: t.State, At: t.At, OpenedAt: optional(t.OpenedAt),
		Reason: t.Reason, Service: t.Service, ErrorType: t.ErrorType, Actor: t.Actor, Source: t.Source}
}

func entryOfEvent(e breaker.Event) entry {
	return entry{Epoch: e.Epoch, Previous: string(e.Previous), State: e.State, At: e.At, OpenedAt: optional(e.OpenedAt),
		Reason: e.Reason, Service: e.Service, ErrorType: e.ErrorType, Actor: e.Actor, Source: e.Source}
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// record writes the transitions that the log does not know yet, and says how many.
func record(ctx context.Context, tx pgx.Tx, entries []entry) (int64, error) {
	var b pgx.Batch
	for _, e := range entries {
		if e.Epoch < 1 {
			continue // a breaker that was never open
		}
		at := e.At
		if at.IsZero() {
			at = time.Now()
		}
		source := e.Source
		if source == "" {
			source = breaker.SourceLeadgenctl
		}
		b.Queue(`INSERT INTO leadgenctl.breaker_transitions
				(epoch, previous_state, state, at, opened_at, reason, service, error_type, actor, source)
			VALUES ($1, nullif($2, ''), $3, $4, $5, $6, nullif($7, ''), nullif($8, ''), $9, $10)
			ON CONFLICT (epoch) DO NOTHING`,
			e.Epoch, e.Previous, string(e.State), at, e.OpenedAt, e.Reason, e.Service, e.ErrorType, e.Actor, source)
	}
	if b.Len() == 0 {
		return 0, nil
	}
	var n int64
	results := tx.SendBatch(ctx, &b)
	for range b.Len() {
		tag, err := results.Exec()
		if err != nil {
			results.Close()
			return n, err
		}
		n += tag.RowsAffected()
	}
	return n, results.Close()
}

// markApplied ends an epoch, and with it every earlier one that was overtaken
// before the jobs had followed it.
func markApplied(ctx context.Context, tx pgx.Tx, epoch, jobs int64) error {
	_, err := tx.Exec(ctx, `UPDATE leadgenctl.breaker_transitions
		SET applied_at = clock_timestamp(), jobs_affected = CASE WHEN epoch = $1 THEN $2 ELSE coalesce(jobs_affected, 0) END
		WHERE epoch <= $1 AND applied_at IS NULL`, epoch, jobs)
	return err
}

package breaker

import (
	"context"
	"errors"
	"time"
)

// Adopt takes in what others did to the breaker: a state that a Python worker
// wrote gets an epoch and an event, a time to live is removed, a renewed opened_at
// is set back, a lost key of an open breaker is put back. It changes nothing else;
// the Transition tells what it did. epochFloor is as in OpenOptions. One round trip.
func (b *Breaker) Adopt(ctx context.Context, epochFloor int64) (Transition, error) {
	return b.change(ctx, adoptScript, call{doing: "adopt changes of", now: b.now(), epochFloor: epochFloor})
}

// Durable is the last transition that the durable log (Postgres) knows.
type Durable struct {
	State     State
	Epoch     int64
	At        time.Time
	OpenedAt  time.Time
	ClosedAt  time.Time
	Reason    string
	Service   string
	ErrorType string
	Actor     string
	Source    string
}

// Restore makes a Redis that forgot (emptied, or failed over to a replica that
// lagged) know again what the durable log knows, under the same epoch, and then
// adopts what was written since. It never closes a breaker that is open in Redis,
// and does nothing where Redis knows that epoch or a later one; Transition.Restored
// tells whether the state was written. One round trip.
func (b *Breaker) Restore(ctx context.Context, d Durable) (Transition, error) {
	if !d.State.valid() || d.Epoch < 1 {
		return Transition{}, errors.New("restore the circuit breaker: the durable record has no state or no epoch")
	}
	r := Record{State: d.State, OpenedAt: d.OpenedAt, ClosedAt: d.ClosedAt}
	if d.State == Open {
		r.ClosedAt = time.Time{}
		r.Metadata.Set(MetaLastError, d.Reason)
		r.Metadata.setText(MetaErrorType, d.ErrorType)
		r.Metadata.Set(MetaFailedAt, d.OpenedAt)
		r.Metadata.setText(MetaService, d.Service)
		r.Metadata.setText(MetaReason, d.Reason)
		r.Metadata.setText(MetaOpenedBy, d.Actor)
	} else {
		r.Metadata.Set(MetaManuallyClosedAt, d.At)
		r.Metadata.setText(MetaClosedBy, d.Actor)
		r.Metadata.setText(MetaReason, d.Reason)
	}
	r.Metadata.Set(MetaEpoch, d.Epoch)
	return b.change(ctx, restoreScript, call{doing: "restore", now: b.now(), epochFloor: d.Epoch},
		r.Encode(), d.Epoch, string(d.State), stamp(d.At), stamp(d.OpenedAt), stamp(r.ClosedAt),
		d.Reason, d.Service, d.ErrorType, d.Actor, d.Source)
}

// stamp is t as the ledger holds it: "" for the zero time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return FormatTimestamp(t)
}

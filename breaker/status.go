package breaker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Status is the breaker as it is in Redis at one moment.
type Status struct {
	State    State     // what counts: Open also where the key of an open breaker was lost
	Epoch    int64     // of the last transition that has one; 0 for a breaker that was never open
	At       time.Time // of the transition that made State; zero for a breaker that was never open
	OpenedAt time.Time // first opened; of a closed breaker, when it was last opened
	ClosedAt time.Time // zero while open

	Reason    string // why, who and which service: of the transition that made State
	Service   string
	ErrorType string
	Actor     string
	Source    string

	Failures    int64   // failures counted since the breaker opened
	LastFailure Failure // the latest of them; zero for none

	Exists   bool          // the key is there
	Record   Record        // what the key holds; zero when it is absent
	Raw      []byte        // the key's bytes; nil when it is absent
	TTL      time.Duration // what is left of the key's life; 0 for no time to live
	Lost     bool          // the key is absent although the breaker is open
	External bool          // the key's bytes are not those last known: somebody else wrote it
	Pending  bool          // External, and its state has no epoch yet; the next change, or Adopt, gives it one

	ledger ledger
}

// State reads the breaker. One round trip; rights to read are enough. A key that
// holds no breaker is a *MalformedError.
func (b *Breaker) State(ctx context.Context) (Status, error) {
	seen := b.cache.begin()
	st, err := b.read(ctx)
	if err != nil {
		b.settings.Hooks.error(err)
		return Status{}, err
	}
	b.cache.read(seen, st.State, st.Epoch)
	return st, nil
}

type stateReads struct {
	value  *redis.StringCmd
	ttl    *redis.DurationCmd
	ledger *redis.MapStringStringCmd
}

func (b *Breaker) queueReads(p redis.Pipeliner, ctx context.Context) stateReads {
	return stateReads{p.Get(ctx, b.keys.Breaker), p.PTTL(ctx, b.keys.Breaker), p.HGetAll(ctx, b.keys.Ledger)}
}

// read asks Redis in one transaction, so that the three answers belong together. A
// server without memory refuses transactions and goes on to answer.
func (b *Breaker) read(ctx context.Context) (Status, error) {
	var reads stateReads
	_, err := b.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		reads = b.queueReads(p, ctx)
		return nil
	})
	if redis.HasErrorPrefix(err, "EXECABORT") || redis.HasErrorPrefix(err, "OOM") {
		_, err = b.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			reads = b.queueReads(p, ctx)
			return nil
		})
	}
	return b.status(reads, err)
}

// status puts the answers together; err is that of the transaction as a whole.
func (b *Breaker) status(r stateReads, err error) (Status, error) {
	for _, c := range []struct {
		err error
		key string
	}{{r.value.Err(), b.keys.Breaker}, {r.ledger.Err(), b.keys.Ledger}} {
		if c.err != nil && strings.HasPrefix(c.err.Error(), "WRONGTYPE") {
			want := "a string"
			if c.key == b.keys.Ledger {
				want = "a hash"
			}
			return Status{}, fmt.Errorf("read the circuit breaker: %w", &MalformedError{Key: c.key, Reason: "it has the wrong Redis type: not " + want})
		}
	}
	if err != nil && !errors.Is(err, redis.Nil) {
		return Status{}, fmt.Errorf("read the circuit breaker %q: %w", b.keys.Breaker, err)
	}
	st := Status{ledger: r.ledger.Val()}
	if ttl := r.ttl.Val(); ttl > 0 {
		st.TTL = ttl
	}
	if raw, err := r.value.Bytes(); err == nil {
		rec, err := DecodeRecord(raw)
		if err != nil {
			return Status{}, fmt.Errorf("read the circuit breaker: %w", &MalformedError{Key: b.keys.Breaker, Reason: err.Error(), Value: clip(string(raw), 200)})
		}
		st.Exists, st.Raw, st.Record = true, raw, rec
	}
	st.fill()
	return st, nil
}

// fill decides what counts from the record and the ledger.
func (st *Status) fill() {
	l := st.ledger
	t := l.transition()
	known := t.State
	if known == "" {
		known = Closed
	}
	st.Epoch = t.Epoch
	st.External = st.Exists && string(st.Raw) != l["value"]
	switch {
	case !st.Exists:
		st.State, st.Lost = known, known == Open
	case st.Record.State != known:
		st.State, st.Pending = st.Record.State, true
		st.foreign()
		return
	default:
		st.State = known
	}
	st.At, st.OpenedAt, st.ClosedAt = t.At, t.OpenedAt, t.ClosedAt
	st.Reason, st.Service, st.ErrorType, st.Actor, st.Source = t.Reason, t.Service, t.ErrorType, t.Actor, t.Source
	if l["state"] == "" && st.Exists {
		st.foreign()
		return
	}
	st.Failures = t.Failures
	if l["failure_at"] != "" {
		st.LastFailure = Failure{Service: l["failure_service"], Error: l["failure_error"], ErrorType: l["failure_type"], At: lenient(l["failure_at"])}
	}
	if st.External && st.State == Open {
		st.renewed()
		if o := st.Record.OpenedAt; !o.IsZero() && (st.OpenedAt.IsZero() || o.Before(st.OpenedAt)) {
			st.OpenedAt = o
		}
	}
	if st.Lost {
		st.Record, _ = DecodeRecord([]byte(l["value"]))
	}
}

// foreign fills in from a record that no ledger knows.
func (st *Status) foreign() {
	r, m := st.Record, st.Record.Metadata
	st.OpenedAt, st.ClosedAt, st.At = r.OpenedAt, r.ClosedAt, r.OpenedAt
	st.Reason, st.Service, st.ErrorType, st.Source = m.Text(MetaReason), m.Text(MetaService), m.Text(MetaErrorType), SourcePython
	if n := m.Int(MetaEpoch); n > 0 && st.ledger["state"] == "" {
		st.Epoch, st.Source, st.Pending = n, SourceLeadgenctl, false
	}
	if r.State == Open {
		st.Actor, st.ClosedAt = m.Text(MetaOpenedBy), time.Time{}
		if st.Reason == "" {
			st.Reason = m.Text(MetaLastError)
		}
		if m.Text(MetaLastError) != "" {
			st.Failures = 1
		}
		st.lastFailureOfRecord()
		return
	}
	st.Actor = m.Text(MetaClosedBy)
	if st.ClosedAt.IsZero() {
		st.ClosedAt = m.Time(MetaManuallyClosedAt)
	}
	st.At = st.ClosedAt
	if st.OpenedAt.IsZero() {
		st.OpenedAt = lenient(st.ledger["opened_at"])
	}
}

// renewed takes in a failure that another program wrote to an open breaker, as adopt
// would: the first cause stays.
func (st *Status) renewed() {
	at := st.Record.Metadata.Text(MetaFailedAt)
	if at == "" {
		at = stamp(st.Record.OpenedAt)
	}
	if at == st.ledger["failure_at"] || at == st.ledger["at"] {
		return // the app's success path writes the same metadata again
	}
	if st.Record.Metadata.Text(MetaLastError) != "" {
		st.Failures++
	}
	st.lastFailureOfRecord()
}

func (st *Status) lastFailureOfRecord() {
	m := st.Record.Metadata
	if m.Text(MetaLastError) == "" {
		return
	}
	st.LastFailure = Failure{Service: m.Text(MetaService), Error: m.Text(MetaLastError), ErrorType: m.Text(MetaErrorType), At: m.Time(MetaFailedAt)}
	if st.LastFailure.At.IsZero() {
		st.LastFailure.At = st.Record.OpenedAt
	}
}

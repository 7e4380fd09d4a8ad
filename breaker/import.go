package breaker

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ImportOptions carry a state into the breaker that was put together elsewhere.
type ImportOptions struct {
	// Expected is the breaker's value as the planner saw it, nil where the key was
	// absent (Status.Raw). Import refuses when it has changed.
	Expected []byte
	// Record is the new value. Its metadata gets the epoch.
	Record Record
	// Events are past events to append to the history, oldest first. Their ID and
	// Epoch are ignored.
	Events []Event

	// Unchanged are further keys that must be as the planner saw them; else Import
	// returns a *ChangedError. On Cluster they must lie in the breaker's slot.
	Unchanged []Unchanged
	// Reference is kept in the ledger (Keys.Ledger, field LedgerImportRef), so that
	// an import that was interrupted can be told from one that was not begun.
	Reference string

	Reason     string // of the transition, if there is one
	Service    string
	ErrorType  string
	Actor      string // Settings.Actor when empty
	Source     string // SourceMigrateState when empty
	EpochFloor int64  // as in OpenOptions
}

// Unchanged is a key with what Redis's DUMP gave for it, nil for an absent one.
type Unchanged struct {
	Key  string
	Dump []byte
}

// LedgerImportRef is the ledger's field that holds the last ImportOptions.Reference.
const LedgerImportRef = "import_ref"

// Import writes a whole state and past events at once, if the breaker is still
// what the planner saw; else it returns a *ConflictError and changes nothing. The
// same state is written without a transition. One round trip.
func (b *Breaker) Import(ctx context.Context, o ImportOptions) (Transition, error) {
	if !o.Record.State.valid() {
		return Transition{}, fmt.Errorf("import the circuit breaker: unknown state %q", o.Record.State)
	}
	if o.Actor == "" {
		o.Actor = b.settings.Actor
	}
	if o.Source == "" {
		o.Source = SourceMigrateState
	}
	before, after := o.Record.split()
	args := []any{flag(o.Expected != nil), o.Expected, before, after, string(o.Record.State),
		stamp(o.Record.OpenedAt), stamp(o.Record.ClosedAt), o.Reason, o.Service, o.ErrorType, o.Actor, o.Source, len(o.Events)}
	for _, e := range o.Events {
		args = append(args, string(e.Kind), stamp(e.At), string(e.State), stamp(e.OpenedAt), e.Reason, e.Service,
			e.ErrorType, e.Actor, e.Source, e.Details)
	}
	args = append(args, o.Reference)
	c := call{doing: "import into", now: b.now(), epochFloor: o.EpochFloor}
	for _, u := range o.Unchanged {
		c.also = append(c.also, u.Key)
		args = append(args, u.Dump)
	}
	return b.change(ctx, importScript, c, args...)
}

// ReplaceOptions put back an exact earlier value.
type ReplaceOptions struct {
	Expected []byte        // the value as the caller saw it, nil for absent
	Value    []byte        // the value to write, byte for byte; nil to delete the key
	TTL      time.Duration // of the value; 0 for none
	Reason   string
	Actor    string // Settings.Actor when empty
	Source   string // SourceRollback when empty
}

// Replace puts back an exact earlier value of the key, or its absence, for a
// rollback; a change of state gets its own epoch and event, so that the history
// stays whole. A breaker that has changed since gives a *ConflictError. This is
// the one call that writes a time to live. One round trip.
func (b *Breaker) Replace(ctx context.Context, o ReplaceOptions) (Transition, error) {
	if o.Value != nil {
		if _, err := DecodeRecord(o.Value); err != nil {
			return Transition{}, fmt.Errorf("replace the circuit breaker: %w", &MalformedError{Key: b.keys.Breaker, Reason: err.Error(), Value: clip(string(o.Value), 200)})
		}
	}
	if o.TTL < 0 {
		return Transition{}, errors.New("replace the circuit breaker: negative time to live")
	}
	if o.Actor == "" {
		o.Actor = b.settings.Actor
	}
	if o.Source == "" {
		o.Source = SourceRollback
	}
	return b.change(ctx, replaceScript, call{doing: "replace", now: b.now()},
		flag(o.Expected != nil), o.Expected, flag(o.Value != nil), o.Value, o.TTL.Milliseconds(), o.Reason, o.Actor, o.Source)
}

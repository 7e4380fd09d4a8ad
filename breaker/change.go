package breaker

import (
	"context"
	"strings"
	"time"
)

// OpenOptions say why and by whom the breaker is opened by hand.
type OpenOptions struct {
	Reason    string // shown to everybody; "opened by hand" when empty
	Service   string // the third-party service in question; may be empty
	ErrorType string // the app's class of failure; "manual" when empty
	Actor     string // who opens it; Settings.Actor when empty

	// EpochFloor is the highest epoch known elsewhere (the durable log): a Redis
	// that was emptied never gives out an epoch up to it again.
	EpochFloor int64
	// ReplaceMalformed opens the breaker over a value that is not a breaker; the
	// value is kept in the event's details and in Transition.Replaced.
	ReplaceMalformed bool
}

// Open opens the breaker: all calls are refused from now on. On an open breaker
// it changes nothing, which Transition.Changed tells. One round trip.
func (b *Breaker) Open(ctx context.Context, o OpenOptions) (Transition, error) {
	now := b.now()
	if o.Reason == "" {
		o.Reason = "opened by hand"
	}
	if o.ErrorType == "" {
		o.ErrorType = "manual"
	}
	if o.Actor == "" {
		o.Actor = b.settings.Actor
	}
	r := Record{State: Open, OpenedAt: now}
	r.Metadata.Set(MetaLastError, o.Reason) // what the app's own pages show
	r.Metadata.Set(MetaErrorType, o.ErrorType)
	r.Metadata.Set(MetaFailedAt, now)
	r.Metadata.setText(MetaService, o.Service)
	r.Metadata.Set(MetaReason, o.Reason)
	r.Metadata.setText(MetaOpenedBy, o.Actor)
	before, after := r.split()
	return b.change(ctx, openScript,
		call{doing: "open", now: now, epochFloor: o.EpochFloor, replaceMalformed: o.ReplaceMalformed},
		before, after, flag(false), o.Reason, o.ErrorType, o.Service, o.Actor, SourceLeadgenctl, "")
}

// CloseOptions say why and by whom the breaker is closed.
type CloseOptions struct {
	Reason string // may be empty
	Actor  string // who closes it; Settings.Actor when empty

	EpochFloor       int64 // as in OpenOptions
	ReplaceMalformed bool  // as in OpenOptions
}

// Close closes the breaker: calls are allowed again. Only a person decides that;
// nothing in this package calls it. On a closed breaker it changes nothing. One
// round trip.
func (b *Breaker) Close(ctx context.Context, o CloseOptions) (Transition, error) {
	now := b.now()
	if o.Actor == "" {
		o.Actor = b.settings.Actor
	}
	r := Record{State: Closed, ClosedAt: now}
	r.Metadata.Set(MetaManuallyClosedAt, now)
	r.Metadata.setText(MetaClosedBy, o.Actor)
	r.Metadata.setText(MetaReason, o.Reason)
	before, tail := r.split()
	// The script fills in when the breaker was opened.
	head, middle, _ := strings.Cut(before, `"opened_at": null`)
	return b.change(ctx, closeScript,
		call{doing: "close", now: now, epochFloor: o.EpochFloor, replaceMalformed: o.ReplaceMalformed},
		head+`"opened_at": `, middle, tail, o.Reason, o.Actor, SourceLeadgenctl)
}

func (b *Breaker) now() time.Time { return b.settings.Now().UTC().Truncate(time.Microsecond) }

package breaker

import (
	"context"
	"time"
)

// Failure is one failed call of a third-party service.
type Failure struct {
	Service   string
	Error     string
	ErrorType string // the app's class, such as http_5xx; see ErrorType
	At        time.Time
}

// maxErrorBytes bounds what is stored of an error's text.
const maxErrorBytes = 4096

// RecordFailure opens the breaker because a call of a third-party service failed.
// There is no threshold. On a breaker that is open it only counts the failure: the
// first cause and the first opened_at stay. A nil err records nothing and returns
// the zero Transition. One round trip.
func (b *Breaker) RecordFailure(ctx context.Context, err error, opts ...FailureOption) (Transition, error) {
	if err == nil {
		return Transition{}, nil
	}
	f := Failure{Service: b.settings.Service, Error: clip(err.Error(), maxErrorBytes), ErrorType: ErrorType(err), At: b.now()}
	o := failureOptions{actor: b.settings.Actor}
	for _, opt := range opts {
		opt(&f, &o)
	}
	b.settings.Hooks.failure(f)
	r := Record{State: Open, OpenedAt: f.At}
	r.Metadata.Set(MetaLastError, f.Error)
	r.Metadata.Set(MetaErrorType, f.ErrorType)
	r.Metadata.Set(MetaFailedAt, f.At)
	r.Metadata.setText(MetaService, f.Service)
	r.Metadata.setText(MetaOpenedBy, o.actor)
	before, after := r.split()
	return b.change(ctx, openScript, call{doing: "record a failure in", now: f.At, epochFloor: o.epochFloor},
		before, after, flag(true), f.Error, f.ErrorType, f.Service, o.actor, SourceLeadgenctl, f.Error)
}

// FailureOption adds to what RecordFailure knows of a failure.
type FailureOption func(*Failure, *failureOptions)

type failureOptions struct {
	actor      string
	epochFloor int64
}

// ForService names the service that failed.
func ForService(service string) FailureOption {
	return func(f *Failure, _ *failureOptions) { f.Service = service }
}

// OfType gives the failure's class, where the error itself does not tell it.
func OfType(errorType string) FailureOption {
	return func(f *Failure, _ *failureOptions) { f.ErrorType = errorType }
}

// ByActor names the process that saw the failure.
func ByActor(actor string) FailureOption {
	return func(_ *Failure, o *failureOptions) { o.actor = actor }
}

// AboveEpoch is OpenOptions.EpochFloor for RecordFailure.
func AboveEpoch(floor int64) FailureOption {
	return func(_ *Failure, o *failureOptions) { o.epochFloor = floor }
}

// RecordSuccess tells the hooks of a call that went well. It never closes the
// breaker and does not ask Redis.
func (b *Breaker) RecordSuccess(_ context.Context, opts ...FailureOption) {
	if b.settings.Hooks.OnSuccess != nil {
		b.settings.Hooks.OnSuccess(b.serviceOf(opts))
	}
}

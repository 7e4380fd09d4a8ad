package breaker

import "context"

// Do calls fn unless the breaker is open, in which case it returns ErrOpen. An
// error of fn that is a failure (Settings.IsFailure) opens the breaker before Do
// returns, even where ctx has ended; the error is returned as it is, and a failure
// to record it goes to Hooks.OnError. A panic of fn records nothing.
//
// A Breaker that was not started asks Redis on each call.
func (b *Breaker) Do(ctx context.Context, fn func(context.Context) error, opts ...FailureOption) error {
	if !b.allowed(ctx) {
		b.settings.Hooks.rejected(b.serviceOf(opts))
		return ErrOpen
	}
	err := fn(ctx)
	switch {
	case err == nil:
		b.RecordSuccess(ctx, opts...)
	case b.settings.IsFailure(err):
		b.recordDetached(ctx, err, opts)
	}
	return err
}

// recordDetached records a failure although the caller may have given up.
func (b *Breaker) recordDetached(ctx context.Context, err error, opts []FailureOption) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.settings.RecordTimeout)
	defer cancel()
	b.RecordFailure(ctx, err, opts...) // its own error went to Hooks.OnError
}

func (b *Breaker) serviceOf(opts []FailureOption) string {
	if len(opts) == 0 {
		return b.settings.Service
	}
	f := Failure{Service: b.settings.Service}
	for _, opt := range opts {
		opt(&f, &failureOptions{})
	}
	return f.Service
}

package breaker

import "context"

// RecordServiceFailure is record_failure(service, error, error_type) of the time
// when each service had a breaker of its own. It opens the one global breaker and
// keeps the service as context.
//
// Deprecated: use RecordFailure with ForService and OfType.
func (b *Breaker) RecordServiceFailure(ctx context.Context, service string, err error, errorType string) (Transition, error) {
	opts := []FailureOption{ForService(service)}
	if errorType != "" {
		opts = append(opts, OfType(errorType))
	}
	return b.RecordFailure(ctx, err, opts...)
}

// RecordServiceSuccess is the old record_success(service). It closes nothing.
//
// Deprecated: use RecordSuccess with ForService.
func (b *Breaker) RecordServiceSuccess(ctx context.Context, service string) {
	b.RecordSuccess(ctx, ForService(service))
}

// AllowService answers for the one global breaker, whatever the service.
//
// Deprecated: use Allow.
func (b *Breaker) AllowService(service string) bool { return b.Allow() }

// ServiceState reads the one global breaker, whatever the service.
//
// Deprecated: use State.
func (b *Breaker) ServiceState(ctx context.Context, service string) (Status, error) {
	return b.State(ctx)
}

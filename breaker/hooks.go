package breaker

// Hooks tell metrics and alerts what happens in this process. Each may be nil;
// each is called on the goroutine that did the work and must return soon.
type Hooks struct {
	// OnTransition is called for each change of state that this Breaker made, and
	// for each foreign one that it took in while making a change.
	OnTransition func(Transition)
	// OnFailure is called for each failure that RecordFailure was given.
	OnFailure func(Failure)
	// OnSuccess is called for each success that RecordSuccess was given.
	OnSuccess func(service string)
	// OnRejected is called for each call that Do or Transport refused.
	OnRejected func(service string)
	// OnError is called when Redis could not be read or written, or holds no breaker.
	OnError func(error)
}

func (h Hooks) transition(t Transition) {
	if h.OnTransition == nil {
		return
	}
	if t.Adopted != nil {
		h.OnTransition(*t.Adopted)
	}
	if t.Changed {
		h.OnTransition(t)
	}
}

func (h Hooks) failure(f Failure) {
	if h.OnFailure != nil {
		h.OnFailure(f)
	}
}

func (h Hooks) rejected(service string) {
	if h.OnRejected != nil {
		h.OnRejected(service)
	}
}

func (h Hooks) error(err error) {
	if h.OnError != nil && err != nil {
		h.OnError(err)
	}
}

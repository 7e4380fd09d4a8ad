package breaker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// follower is the background work of a started Breaker.
type follower struct {
	running atomic.Bool
	mu      sync.Mutex
	stop    context.CancelFunc // nil when not started
	done    chan struct{}
}

// Start keeps Allow fresh until Stop is called or ctx is done: it looks at Redis
// when a change is published, and each Settings.PollInterval in any case. It reads
// the state once before it returns; where that fails it returns the error and goes
// on trying all the same, Settings.Policy counting until Redis answers. Starting a
// started Breaker does nothing.
//
// How late Allow can be: a change made through this package is seen as soon as its
// notification arrives (a millisecond or so), one that the app made after at most
// PollInterval and a round trip. While Redis cannot be read Allow keeps the last
// known state for Settings.MaxStale, and then answers by Policy.
func (b *Breaker) Start(ctx context.Context) error {
	f := &b.follower
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop != nil {
		return nil
	}
	ctx, f.stop = context.WithCancel(ctx)
	f.done = make(chan struct{})
	f.running.Store(true)
	_, err := b.State(ctx)
	go b.keepFresh(ctx, f.done)
	return err
}

// Stop ends what Start began and waits for it. Allow then keeps its last answer.
func (b *Breaker) Stop() {
	f := &b.follower
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop == nil {
		return
	}
	f.stop()
	<-f.done
	f.stop = nil
}

func (b *Breaker) keepFresh(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	defer b.follower.running.Store(false)
	// A read may hang for as long as the client lets it, so staleness has its own clock.
	stale := time.NewTimer(b.settings.MaxStale)
	defer stale.Stop()
	go b.expire(ctx, stale)
	b.follow(ctx, func(ctx context.Context) (bool, error) {
		seen := b.cache.begin()
		st, err := b.read(ctx)
		if err != nil {
			if ctx.Err() == nil {
				b.settings.Hooks.error(err)
			}
			return false, nil
		}
		stale.Reset(b.settings.MaxStale)
		return !b.cache.read(seen, st.State, st.Epoch), nil
	})
}

// expire lets the policy count when stale runs out and no own change has confirmed
// the state meanwhile.
func (b *Breaker) expire(ctx context.Context, stale *time.Timer) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-stale.C:
			if left := b.cache.expire(b.settings.MaxStale); left > 0 {
				stale.Reset(left)
			}
		}
	}
}

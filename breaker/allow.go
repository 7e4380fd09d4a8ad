package breaker

import "context"

// Allow says whether calls may be made: whether the breaker was closed when this
// process last saw it. It is an atomic load and asks nobody; Start says how fresh
// it is. Without Start it is what the last call of State or of a change found,
// and Settings.Policy before the first.
func (b *Breaker) Allow() bool { return !b.cache.denied.Load() }

// allowed is Allow for one call: a Breaker that was not started asks Redis, and
// falls back on the last known state, then the policy.
func (b *Breaker) allowed(ctx context.Context) bool {
	if !b.follower.running.Load() {
		if st, err := b.State(ctx); err == nil {
			return st.State != Open
		}
	}
	return b.Allow()
}

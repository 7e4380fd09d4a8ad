package breaker

import "strings"

// State of the breaker.
type State string

// The two states. The app's old half_open is refused as malformed in the global key.
const (
	Open   State = "open"   // calls are refused and jobs are paused
	Closed State = "closed" // calls are allowed
)

func (s State) valid() bool { return s == Open || s == Closed }

// DefaultKey is the app's own name of the global breaker.
const DefaultKey = "circuit_breaker:global"

// Keys are the names that belong to one breaker; all lie in one Redis Cluster slot.
type Keys struct {
	Breaker string // string: the JSON value that the app reads and writes
	Ledger  string // hash: what was last known
	Events  string // stream: the transitions
	Changes string // pub/sub channel, shared by all numbered databases of a server
}

// KeysOf returns the names that belong to the breaker called key.
func KeysOf(key string) Keys {
	tagged := "{" + key + "}"
	if hasHashTag(key) {
		tagged = key
	}
	return Keys{Breaker: key, Ledger: tagged + ":ledger", Events: tagged + ":events", Changes: tagged + ":changes"}
}

// hasHashTag says whether Redis Cluster takes only a part of key for its slot.
func hasHashTag(key string) bool {
	_, rest, ok := strings.Cut(key, "{")
	if !ok {
		return false
	}
	end := strings.IndexByte(rest, '}')
	return end > 0
}

package state

import (
	"fmt"
	"time"
)

// NoExpiry is the remaining life of a key without a time to live.
const NoExpiry = time.Duration(-1)

// OldKey is one key of the old format as it was read.
type OldKey struct {
	Name    string
	Family  Family
	Service string
	Type    string        // Redis type: string, zset, …
	TTL     time.Duration // remaining life at ReadAt; NoExpiry for none
	ReadAt  time.Time     // the server's clock
	Dump    []byte        // what DUMP gave
	Raw     []byte        // the value of a string
	Members []Member      // the members of a sorted set, by score

	Circuit   CircuitValue // of Circuit
	Failures  []Failure    // of Failures, oldest first
	Successes int64        // of Successes
	Pause     PauseValue   // of Pause

	// Malformed says what is wrong with the key; nil for one that was understood.
	Malformed *MalformedError

	gone bool // carried and deleted: what is there now under this name is new
}

// Member is a member of a sorted set.
type Member struct {
	Score float64
	Name  string
}

// CircuitValue is a decoded circuit_breaker:S.
type CircuitValue struct {
	State        string    // open, closed or half_open
	OpenedAt     time.Time // zero for null
	LastError    string
	ErrorType    string
	FailureCount int64
	Manual       bool   // paused by a person
	Reason       string // of a manual pause
}

// The states of an old circuit.
const (
	oldOpen     = "open"
	oldClosed   = "closed"
	oldHalfOpen = "half_open"
)

// Failure is one member of circuit_failures:S.
type Failure struct {
	At        time.Time
	ErrorType string
}

// PauseValue is a decoded queue_paused:S.
type PauseValue struct {
	At     time.Time
	Reason string
}

// State says in a word what the key holds, for tables and JSON.
func (k *OldKey) State() string {
	switch {
	case k.Malformed != nil:
		return "malformed"
	case k.Family == Circuit && k.Circuit.Manual:
		return k.Circuit.State + ", manual"
	case k.Family == Circuit:
		return k.Circuit.State
	case k.Family == Failures && len(k.Failures) == 1:
		return "1 failure"
	case k.Family == Failures:
		return fmt.Sprintf("%d failures", len(k.Failures))
	case k.Family == Successes && k.Successes == 1:
		return "1 success"
	case k.Family == Successes:
		return fmt.Sprintf("%d successes", k.Successes)
	default:
		return "paused"
	}
}

// expires is when the key's life runs out by itself; zero for never.
func (k *OldKey) expires() time.Time {
	if k.TTL == NoExpiry {
		return time.Time{}
	}
	return k.ReadAt.Add(k.TTL)
}

// writtenAt guesses when a key without a time of its own was written: the app
// gives every circuit 600 seconds to live.
func (k *OldKey) writtenAt() time.Time {
	const life = 600 * time.Second
	if k.TTL <= 0 || k.TTL > life {
		return k.ReadAt
	}
	return k.ReadAt.Add(k.TTL - life)
}

// MalformedError says that a key has the name of an old key and does not hold
// what the old workers write. Nothing was changed.
type MalformedError struct {
	Key    string
	Reason string
}

func (e *MalformedError) Error() string {
	return fmt.Sprintf("old key %q is malformed: %s", e.Key, e.Reason)
}

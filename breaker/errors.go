package breaker

import (
	"errors"
	"fmt"
)

// ErrOpen is returned instead of making a call while the breaker is open.
var ErrOpen = errors.New("circuit breaker is open")

// MalformedError says that a key exists and does not hold a breaker (or a part of
// one). Nothing was changed.
type MalformedError struct {
	Key    string // the Redis key
	Reason string // what is wrong with it
	Value  string // the start of the value, where there is one
}

func (e *MalformedError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("redis key %q is not a circuit breaker: %s", e.Key, e.Reason)
	}
	return fmt.Sprintf("redis key %q is not a circuit breaker: %s: %s", e.Key, e.Reason, e.Value)
}

// ChangedError says that a key which ImportOptions.Unchanged names is no longer as
// it was. Nothing was changed.
type ChangedError struct{ Key string }

func (e *ChangedError) Error() string {
	return fmt.Sprintf("redis key %q has changed since it was read", e.Key)
}

// ConflictError says that the breaker is no longer what the caller saw. Nothing was changed.
type ConflictError struct {
	Key     string
	Current []byte // the value now; nil when the key is absent
}

func (e *ConflictError) Error() string {
	if e.Current == nil {
		return fmt.Sprintf("redis key %q has changed since it was read: it is gone", e.Key)
	}
	return fmt.Sprintf("redis key %q has changed since it was read: it now holds %s", e.Key, clip(string(e.Current), 300))
}

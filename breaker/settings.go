package breaker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Policy is what Allow answers when the state is not known: nothing was read yet,
// or Redis has been away for longer than Settings.MaxStale.
type Policy string

// The policies.
const (
	PolicyAllow Policy = "allow" // as the app does
	PolicyDeny  Policy = "deny"
)

// Settings of a Breaker. The zero value of each field is usable.
type Settings struct {
	// Key is the breaker's name in Redis; DefaultKey when empty.
	Key string

	// Service is the third-party service that this process calls, the default of
	// every failure's service. May be empty.
	Service string

	// Actor is the default of OpenOptions.Actor and CloseOptions.Actor.
	Actor string

	// PollInterval is how often a started breaker looks at Redis when nobody tells
	// it to: the bound on how late it sees what a Python worker, which publishes
	// nothing, wrote. 250 ms when zero; at least 1 ms.
	PollInterval time.Duration

	// MaxStale is how long Allow answers with the last known state while Redis
	// cannot be read; after it Policy counts. 10 s when zero; at least PollInterval.
	MaxStale time.Duration

	// Policy counts while the state is not known. PolicyAllow when empty.
	Policy Policy

	// RecordTimeout bounds the recording of a failure by Do and Transport, which
	// goes on when the caller's context is cancelled. 2 s when zero.
	RecordTimeout time.Duration

	// HistoryLimit is how many events the stream keeps, about. 10000 when zero.
	HistoryLimit int

	// IsFailure says whether an error returned to Do opens the breaker. When nil,
	// every error does but context.Canceled.
	IsFailure func(error) bool

	// IsFailureResponse says whether a response that Transport received opens the
	// breaker. When nil, the statuses 429 and 500 to 599 do.
	IsFailureResponse func(*http.Response) bool

	// Hooks are told what happens, for metrics.
	Hooks Hooks

	// Now is the clock; time.Now when nil.
	Now func() time.Time
}

// withDefaults fills in what is zero, and refuses what contradicts itself.
func (s Settings) withDefaults() (Settings, error) {
	if s.Key == "" {
		s.Key = DefaultKey
	}
	if s.PollInterval == 0 {
		s.PollInterval = 250 * time.Millisecond
	}
	if s.MaxStale == 0 {
		s.MaxStale = max(10*time.Second, s.PollInterval)
	}
	if s.Policy == "" {
		s.Policy = PolicyAllow
	}
	if s.RecordTimeout == 0 {
		s.RecordTimeout = 2 * time.Second
	}
	if s.HistoryLimit == 0 {
		s.HistoryLimit = 10000
	}
	if s.IsFailure == nil {
		s.IsFailure = func(err error) bool { return !errors.Is(err, context.Canceled) }
	}
	if s.IsFailureResponse == nil {
		s.IsFailureResponse = func(r *http.Response) bool {
			return r.StatusCode == http.StatusTooManyRequests || r.StatusCode >= 500 && r.StatusCode < 600
		}
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	return s, s.validate()
}

func (s Settings) validate() error {
	switch {
	case strings.ContainsAny(s.Key, "{}") && !hasHashTag(s.Key):
		return fmt.Errorf("breaker settings: key %q has a brace that is no hash tag, so its companions cannot share its slot", s.Key)
	case s.PollInterval < time.Millisecond:
		return fmt.Errorf("breaker settings: poll interval %s is shorter than 1ms", s.PollInterval)
	case s.MaxStale < s.PollInterval:
		return fmt.Errorf("breaker settings: max stale %s is shorter than the poll interval %s", s.MaxStale, s.PollInterval)
	case s.Policy != PolicyAllow && s.Policy != PolicyDeny:
		return fmt.Errorf("breaker settings: unknown policy %q", s.Policy)
	case s.RecordTimeout < 0 || s.HistoryLimit < 0:
		return errors.New("breaker settings: a time-out or a limit is negative")
	}
	return nil
}

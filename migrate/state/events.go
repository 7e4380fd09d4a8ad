package state

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// event makes an event of the past out of what an old key says. A zero time
// stands for one that the key does not tell.
func event(kind breaker.EventKind, k *OldKey, at time.Time, e breaker.Event) breaker.Event {
	e.Kind, e.At, e.Service, e.Source = kind, at, k.Service, breaker.SourceMigrateState
	details := struct {
		Key          string `json:"key"`
		FailureCount int64  `json:"failure_count,omitempty"`
		TimeInferred bool   `json:"time_inferred,omitempty"` // from the key's remaining life
	}{k.Name, k.Circuit.FailureCount, at.IsZero()}
	if at.IsZero() {
		e.At = k.writtenAt()
	}
	if b, err := json.Marshal(details); err == nil {
		e.Details = string(b)
	}
	return e
}

// eventKey is what makes two events of the past the same one.
type eventKey struct {
	kind               breaker.EventKind
	at                 int64 // microseconds: what the stream keeps
	service, errorType string
}

func keyOf(e breaker.Event) eventKey {
	return eventKey{e.Kind, e.At.UnixMicro(), e.Service, e.ErrorType}
}

// seenAbout says whether the history has e at about its time, for an event whose
// time is inferred: that differs by milliseconds from one look to the next.
func seenAbout(e breaker.Event, history []breaker.Event) bool {
	const mark = `"time_inferred":true`
	if !strings.Contains(e.Details, mark) {
		return false
	}
	return slices.ContainsFunc(history, func(h breaker.Event) bool {
		return h.Kind == e.Kind && h.Service == e.Service && strings.Contains(h.Details, mark) && h.At.Sub(e.At).Abs() < 2*time.Second
	})
}

// unseen leaves out the events that the history has already: a migration that
// is carried on, or made again after a rollback, tells each only once.
func unseen(events, history []breaker.Event) []breaker.Event {
	seen := make(map[eventKey]bool, len(history))
	for _, e := range history {
		seen[keyOf(e)] = true
	}
	var fresh []breaker.Event
	for _, e := range events {
		if !seen[keyOf(e)] && !seenAbout(e, history) {
			seen[keyOf(e)] = true
			fresh = append(fresh, e)
		}
	}
	return fresh
}

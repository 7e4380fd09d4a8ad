package breaker

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// EventKind is what happened.
type EventKind string

// The kinds of events. The first two are transitions and have an epoch of their own.
const (
	EventOpened     EventKind = "opened"
	EventClosed     EventKind = "closed"
	EventLost       EventKind = "lost"       // the key of an open breaker is gone, which the app takes for closed; only watchers tell it
	EventRestored   EventKind = "restored"   // a lost state was put back; its epoch is the state's
	EventRenumbered EventKind = "renumbered" // an emptied Redis had begun again at 1; the state got a new epoch

	// Carried over from the per-service keys; these have no epoch.
	EventLegacyOpened      EventKind = "legacy_opened"
	EventLegacyHalfOpen    EventKind = "legacy_half_open"
	EventLegacyPaused      EventKind = "legacy_paused"
	EventLegacyFailure     EventKind = "legacy_failure"
	EventLegacyManualPause EventKind = "legacy_manual_pause"
)

// Event is one entry of the breaker's history.
type Event struct {
	ID        string // of the stream's entry; "" for a foreign change that nobody has adopted yet
	Kind      EventKind
	Epoch     int64 // 0 where there is none
	Previous  State
	State     State
	At        time.Time // when it happened, which for a carried-over event is before it was written
	OpenedAt  time.Time
	Reason    string
	Service   string
	ErrorType string
	Actor     string
	Source    string
	Details   string // JSON or text; a carried-over event's own facts
}

// Transition says whether the event changed the state.
func (e Event) Transition() bool { return e.Kind == EventOpened || e.Kind == EventClosed }

// Filter chooses from the history. The zero value chooses everything.
type Filter struct {
	Since      time.Time // events at or after it
	Service    string    // events of this service; "" for all
	AfterEpoch int64     // events whose epoch is greater; 0 for all
	Limit      int       // the newest so many; 0 for all
}

func (f Filter) match(e Event) bool {
	return !e.At.Before(f.Since) && (f.Service == "" || e.Service == f.Service) && (f.AfterEpoch == 0 || e.Epoch > f.AfterEpoch)
}

// historyPage is how many entries one read asks for.
const historyPage = 1000

// History returns the events that match, in the order in which they happened. The
// stream keeps about Settings.HistoryLimit of them.
func (b *Breaker) History(ctx context.Context, f Filter) ([]Event, error) {
	var events, carried []Event
	for from := "-"; ; {
		page, err := b.client.XRangeN(ctx, b.keys.Events, from, "+", historyPage).Result()
		if err != nil {
			return nil, b.eventsError(err)
		}
		for _, m := range page {
			e := decodeEvent(m)
			switch {
			case !f.match(e):
			case e.Epoch == 0:
				carried = append(carried, e)
			default:
				events = append(events, e)
			}
		}
		if len(page) < historyPage {
			break
		}
		from = "(" + page[len(page)-1].ID
	}
	events = merge(events, carried)
	if f.Limit > 0 && len(events) > f.Limit {
		events = events[len(events)-f.Limit:]
	}
	return events, nil
}

// merge puts events that were carried over, in the order of their times, between
// transitions, whose order is that of the stream: the clocks of two writers differ.
func merge(events, carried []Event) []Event {
	slices.SortStableFunc(carried, func(x, y Event) int { return x.At.Compare(y.At) })
	var merged []Event
	for _, e := range events {
		for len(carried) > 0 && !carried[0].At.After(e.At) {
			merged, carried = append(merged, carried[0]), carried[1:]
		}
		merged = append(merged, e)
	}
	return append(merged, carried...)
}

func (b *Breaker) eventsError(err error) error {
	if redis.HasErrorPrefix(err, "WRONGTYPE") {
		err = &MalformedError{Key: b.keys.Events, Reason: "it has the wrong Redis type: not a stream"}
	}
	return fmt.Errorf("read the events of the circuit breaker: %w", err)
}

func decodeEvent(m redis.XMessage) Event {
	text := func(name string) string { s, _ := m.Values[name].(string); return s }
	return Event{ID: m.ID, Kind: EventKind(text("kind")), Epoch: number(text("epoch")),
		Previous: State(text("previous_state")), State: State(text("state")),
		At: lenient(text("at")), OpenedAt: lenient(text("opened_at")), Reason: text("reason"), Service: text("service"),
		ErrorType: text("error_type"), Actor: text("actor"), Source: text("source"), Details: text("details")}
}

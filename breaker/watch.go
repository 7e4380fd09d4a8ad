package breaker

import (
	"context"
	"iter"
	"strings"
)

// Position is how far a watcher has come. The zero value begins with what happens next,
// After alone goes on after an event.
type Position struct {
	After   string `json:"after"`   // ID of the last event that was seen
	State   State  `json:"state"`   // as it was yielded; "" where that is not known
	Epoch   int64  `json:"epoch"`   // the last one that was given out
	Pending bool   `json:"pending"` // a foreign change made State, and nobody has recorded it
	Lost    bool   `json:"lost"`    // Redis lost it while it was open
}

// Watch yields the breaker's transitions as they happen, in order, and notes that
// a state was lost or put back, until ctx is done. It goes on after the event whose
// ID is given; with "" it begins with the next one. It only reads.
//
// A change that a Python worker wrote is found by polling and yielded at once,
// without ID and epoch; when it is adopted it is not yielded again. So is the loss of
// an open breaker, which is not a closing. While Redis cannot be read it yields the
// error once, with a zero Event, and goes on trying; events that were recorded
// meanwhile follow. Those that a server which took over still has are not repeated.
func (b *Breaker) Watch(ctx context.Context, after string) iter.Seq2[Event, error] {
	return b.WatchFrom(ctx, &Position{After: after})
}

// WatchFrom is Watch from where another ended. It moves the position on before it
// yields: one that is kept with what was told makes a restart neither miss nor repeat.
func (b *Breaker) WatchFrom(ctx context.Context, at *Position) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		w := watcher{b: b, at: at, fresh: *at == Position{}, yield: yield}
		b.follow(ctx, w.look)
	}
}

type watcher struct {
	b       *Breaker
	at      *Position
	fresh   bool   // nothing was read yet, and what lies there is not news
	back    string // the ID that was reached before the stream was found to end earlier
	opened  Event  // the last event of an open breaker: what is lost when it is
	failing bool   // the last read failed
	yield   func(Event, error) bool
}

func (w *watcher) look(ctx context.Context) (again bool, err error) {
	s, err := w.b.snapshot(ctx, w.at.After)
	if err != nil {
		if ctx.Err() != nil || w.failing {
			return false, nil
		}
		w.failing = true
		return false, w.tell(Event{}, err)
	}
	w.failing = false
	if w.fresh {
		w.fresh = false
		*w.at = Position{After: orZero(s.newest), State: s.State, Epoch: s.Epoch, Pending: s.Pending, Lost: s.Lost}
		return false, nil
	}
	if idLess(s.newest, w.at.After) {
		// A server without the last events took over, or the stream was lost and began
		// again on a clock that is behind.
		w.back, w.at.After = w.at.After, "0-0"
		if s.newest != "" {
			return true, nil
		}
	}
	for _, e := range s.events {
		w.at.After = e.ID
		if e.Epoch <= w.at.Epoch && !idLess(w.back, e.ID) {
			continue // it was seen before
		}
		if err := w.recorded(e); err != nil {
			return false, err
		}
	}
	if len(s.events) == historyPage {
		return true, nil
	}
	return false, w.unrecorded(s.Status)
}

// recorded yields an event of the stream, unless it was told before it had an ID.
func (w *watcher) recorded(e Event) error {
	if strings.HasPrefix(string(e.Kind), "legacy_") {
		return nil
	}
	told := e.Transition() && e.Source == SourcePython && w.at.Pending && e.State == w.at.State && !w.at.Lost
	w.at.State, w.at.Epoch, w.at.Pending, w.at.Lost = e.State, max(w.at.Epoch, e.Epoch), false, false
	if told {
		return nil
	}
	return w.tell(e, nil)
}

// unrecorded yields what no event tells of: what another program wrote, and a loss.
func (w *watcher) unrecorded(st Status) error {
	at := w.at
	if at.State == "" { // only After was known
		at.State = st.State
		if st.Pending {
			at.State = st.State.other()
		}
	}
	was := *at
	at.Epoch = max(was.Epoch, st.Epoch)
	lost := was.lost(st)
	switch {
	case lost && !was.Lost:
		at.State, at.Lost = Open, true
		return w.tell(w.loss(was, st), nil)
	case lost, !st.Exists:
		return nil
	}
	at.State, at.Pending, at.Lost = st.State, st.Pending, false
	if st.State == was.State && !was.Lost {
		return nil
	}
	return w.tell(change(was.State, st), nil)
}

// lost says whether an open breaker that was seen is not in Redis any more: its key is
// gone, or Redis went back to before it opened.
func (p Position) lost(st Status) bool {
	if !st.Exists {
		// A ledger that says open knows less than a closing that was seen and not recorded.
		return p.State == Open || st.Lost && !p.Pending
	}
	return p.State == Open && !p.Pending && st.State == Closed && !st.External && st.Epoch < p.Epoch
}

// change is the event of a state that has none in the stream.
func change(previous State, st Status) Event {
	if st.External {
		st.foreign() // the ledger tells of an earlier transition to the same state
	}
	e := Event{Kind: EventClosed, Previous: previous, State: st.State, At: st.At, OpenedAt: st.OpenedAt, Reason: st.Reason,
		Service: st.Service, ErrorType: st.ErrorType, Actor: st.Actor, Source: st.Source}
	if !st.External {
		e.Epoch = st.Epoch
	}
	switch {
	case st.State == previous && !st.External:
		e.Kind = EventRestored // its own bytes were put back
	case st.State == Open:
		e.Kind = EventOpened
	}
	return e
}

// loss is the event of an open breaker whose key is gone. One that was not recorded has
// no epoch, and nothing can put it back.
func (w *watcher) loss(was Position, st Status) Event {
	e := Event{Kind: EventLost, Epoch: was.Epoch, Previous: Open, State: Open, At: w.b.now(),
		OpenedAt: w.opened.OpenedAt, Reason: w.opened.Reason, Service: w.opened.Service, ErrorType: w.opened.ErrorType}
	switch {
	case st.Lost:
		e.Epoch, e.OpenedAt, e.Reason, e.Service, e.ErrorType = st.Epoch, st.OpenedAt, st.Reason, st.Service, st.ErrorType
	case was.Pending:
		e.Epoch = 0
	}
	return e
}

func (w *watcher) tell(e Event, err error) error {
	if e.State == Open && (e.Kind != EventRestored || e.Epoch != w.opened.Epoch) { // which says why it was put back
		w.opened = e
	}
	if !w.yield(e, err) {
		return errStop
	}
	return nil
}

func (s State) other() State {
	if s == Open {
		return Closed
	}
	return Open
}

func orZero(id string) string {
	if id == "" {
		return "0-0"
	}
	return id
}

// idLess compares two IDs of a stream's entries, ms-seq; "" is before all.
func idLess(x, y string) bool {
	if x == "" || y == "" {
		return x == "" && y != "" && y != "0-0"
	}
	xms, xseq, _ := strings.Cut(x, "-")
	yms, yseq, _ := strings.Cut(y, "-")
	if xms != yms {
		return number(xms) < number(yms)
	}
	return number(xseq) < number(yseq)
}

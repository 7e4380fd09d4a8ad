package breaker

import (
	"context"
	"iter"
	"strings"
)

// Watch yields the breaker's transitions as they happen, in order, and notes that
// a lost state was put back, until ctx is done. It goes on after the event whose
// ID is given; with "" it begins with the next one. It only reads.
//
// A change that a Python worker wrote is found by polling and yielded at once,
// without ID and epoch; when it is adopted it is not yielded again. While Redis
// cannot be read it yields the error once, with a zero Event, and goes on trying;
// events that were recorded meanwhile follow.
func (b *Breaker) Watch(ctx context.Context, after string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		w := watcher{b: b, after: after, fresh: after == "", yield: yield}
		b.follow(ctx, w.look)
	}
}

type watcher struct {
	b       *Breaker
	after   string // ID of the last event seen
	fresh   bool   // nothing was read yet, and what lies there is not news
	pending State  // what a foreign change that nobody adopted made of the breaker
	failing bool   // the last read failed
	yield   func(Event, error) bool
}

func (w *watcher) look(ctx context.Context) (again bool, err error) {
	s, err := w.b.snapshot(ctx, w.after)
	if err != nil {
		if ctx.Err() != nil || w.failing {
			return false, nil
		}
		w.failing = true
		return false, w.tell(Event{}, err)
	}
	w.failing = false
	if w.fresh {
		w.fresh, w.after = false, orZero(s.newest)
		if s.Pending {
			w.pending = s.State
		}
		return false, nil
	}
	if idLess(s.newest, w.after) {
		// The stream was lost and began again, perhaps on a clock that is behind.
		w.after = "0-0"
		return s.newest != "", nil
	}
	for _, e := range s.events {
		w.after = e.ID
		if err := w.recorded(e); err != nil {
			return false, err
		}
	}
	if len(s.events) == historyPage {
		return true, nil
	}
	return false, w.foreign(s.Status)
}

// recorded yields an event of the stream, unless it was told before it had an ID.
func (w *watcher) recorded(e Event) error {
	if strings.HasPrefix(string(e.Kind), "legacy_") {
		return nil
	}
	told := e.Transition() && e.Source == SourcePython && e.State == w.pending
	if e.Transition() {
		w.pending = ""
	}
	if told {
		return nil
	}
	return w.tell(e, nil)
}

// foreign yields what somebody wrote without recording it.
func (w *watcher) foreign(st Status) error {
	now := State("")
	if st.Pending {
		now = st.State
	}
	if now == w.pending {
		return nil
	}
	previous := w.pending
	if previous == "" {
		previous = st.State.other()
	}
	w.pending = now
	e := Event{Kind: EventClosed, Previous: previous, State: st.State, At: st.At, OpenedAt: st.OpenedAt, Reason: st.Reason,
		Service: st.Service, ErrorType: st.ErrorType, Actor: st.Actor, Source: SourcePython}
	if st.State == Open {
		e.Kind = EventOpened
	}
	return w.tell(e, nil)
}

func (w *watcher) tell(e Event, err error) error {
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

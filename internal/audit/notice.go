package audit

import (
	"slices"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
)

// Notice is what a channel was last told of a finding, or that it is owed the news of it.
type Notice struct {
	Channel  string    `json:"channel"`
	Check    string    `json:"check"`
	Count    int64     `json:"count"` // 0: it is there, and nothing of that was told
	Since    time.Time `json:"since"`
	ToldAt   time.Time `json:"told_at"`
	Subjects []string  `json:"subjects,omitempty"` // the rows, where there are not too many; of CouldNotRun the checks
	Seen     time.Time `json:"seen,omitzero"`      // of a check of events: those before this are told
}

// log is the name under which the ledger keeps what the last audits found, as if it were
// a channel that always listens.
const log = ""

// maxTold bounds how many events a channel remembers.
const maxTold = 1000

// commitTime is how long an event may lie in a transaction before others see it. So far
// is looked back; what was told of that time is known again by its row.
const commitTime = 5 * time.Minute

// firstLook is how far back events are news where nothing is known of what was told.
const firstLook = 24 * time.Hour

// settle takes what lies in the future for now: the clock that wrote it was ahead. Until
// when events were told is not known then, except by their rows.
func (l *ledger) settle(now time.Time) {
	for _, n := range l.all() {
		ahead := n.Seen.After(now.Add(commitTime))
		n.Since, n.ToldAt, n.Seen = earlier(n.Since, now), earlier(n.ToldAt, now), earlier(n.Seen, now)
		if ahead {
			n.Seen = now.Add(-firstLook)
		}
		l.add(n)
	}
	l.copied = earlier(l.copied, now)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// since is from when on events are news to some channel, or to the log; zero for unknown.
func (l *ledger) since(channels []string) time.Time {
	var first time.Time
	for _, name := range channels {
		for _, n := range l.notices[name] {
			if !n.Seen.IsZero() && (first.IsZero() || n.Seen.Before(first)) {
				first = n.Seen
			}
		}
	}
	if first.IsZero() {
		return first
	}
	return first.Add(-commitTime)
}

// forget takes events out of a report that every channel and the log know.
func (l *ledger) forget(r *consistency.Report, channels []string) {
	for _, id := range eventChecks(r) {
		r.Forget(id, func(subject string) bool {
			return !slices.ContainsFunc(channels, func(name string) bool {
				return !slices.Contains(l.notices[name][id].Subjects, subject)
			})
		})
	}
}

// eventChecks are those checks of a report that find what happened.
func eventChecks(r *consistency.Report) []string {
	var ids []string
	for _, c := range r.Checks {
		if check := consistency.Find(c.ID); check != nil && check.Events() {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// heard notes that a channel was told of events of a report.
func (l *ledger) heard(channel string, r *consistency.Report, told []Event, now time.Time) {
	found := map[string]finding{}
	for _, f := range findings(r) {
		found[f.id] = f
	}
	for _, e := range told {
		if e.Kind == Resolved {
			l.remove(channel, e.Check)
			continue
		}
		f, was := found[e.Check], l.notices[channel][e.Check]
		l.add(Notice{Channel: channel, Check: e.Check, Count: f.count, Since: e.Since, ToldAt: now, Subjects: f.ids(was), Seen: was.Seen})
	}
}

// owe notes what a channel could not be told, so that it hears of it when it is over, too.
func (l *ledger) owe(channel string, r *consistency.Report, untold []Event, now time.Time) {
	for _, f := range findings(r) {
		was, ok := l.notices[channel][f.id]
		if f.events || ok && !was.owed() || !slices.ContainsFunc(untold, func(e Event) bool { return e.Check == f.id }) {
			continue
		}
		n := Notice{Channel: channel, Check: f.id, Since: now, ToldAt: now}
		if ok {
			n.Since = was.Since
		}
		if f.id == CouldNotRun {
			n.Subjects = f.ids(was)
		}
		l.add(n)
	}
}

// saw notes that a channel knows all events until an audit began, as far as that could see them.
func (l *ledger) saw(channel string, r *consistency.Report, began time.Time) {
	found := map[string]finding{}
	for _, f := range findings(r) {
		found[f.id] = f
	}
	did := ran(r)
	for _, id := range eventChecks(r) {
		if !did[id] {
			continue
		}
		n, ok := l.notices[channel][id]
		if !ok {
			n = Notice{Channel: channel, Check: id, Since: began, ToldAt: began}
		}
		n.Subjects, n.Seen = found[id].ids(n), began
		l.add(n)
	}
}

// begin notes from when on a channel must be told of events that it was not told of yet.
func (l *ledger) begin(channel string, r *consistency.Report, since time.Time) {
	for _, id := range eventChecks(r) {
		if l.notices[channel][id].Seen.IsZero() {
			l.add(Notice{Channel: channel, Check: id, Since: since, ToldAt: since, Seen: since})
		}
	}
}

// shrink forgets rows that are not found any more: where they come back, they are new.
func (l *ledger) shrink(channel string, r *consistency.Report) {
	did := ran(r)
	for _, f := range findings(r) {
		n, ok := l.notices[channel][f.id]
		if !ok || f.events || f.id == CouldNotRun || !f.exact() || !n.exact() {
			continue
		}
		now := f.ids(Notice{})
		n.Subjects = slices.DeleteFunc(slices.Clone(n.Subjects), func(s string) bool { return !slices.Contains(now, s) })
		n.Count = int64(len(n.Subjects))
		l.add(n)
	}
	if n, ok := l.notices[channel][CouldNotRun]; ok && len(n.Subjects) > 0 {
		left := slices.DeleteFunc(slices.Clone(n.Subjects), func(id string) bool { return did[id] })
		if len(left) > 0 { // else it is resolved, which must be told
			n.Subjects = left
			l.add(n)
		}
	}
}

// record makes the log know a report, and returns what has changed for it.
func (l *ledger) record(r *consistency.Report, began, now time.Time) []Event {
	told := events(r, l.told(log), 0, now)
	l.heard(log, r, told, now)
	for _, f := range findings(r) {
		if n, ok := l.notices[log][f.id]; ok && !f.events {
			n.Count, n.Subjects = f.count, f.ids(Notice{})
			l.add(n)
		}
	}
	l.saw(log, r, began)
	return told
}

// owed says that the channel does not know of what is there.
func (n Notice) owed() bool { return n.Count == 0 && n.Seen.IsZero() }

// exact says whether the notice lists all that was told.
func (n Notice) exact() bool { return int64(len(n.Subjects)) == n.Count }

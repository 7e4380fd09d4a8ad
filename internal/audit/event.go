// Package audit runs the checks of package consistency from cron for years: it keeps
// every run, and tells people only of what is new, worse or resolved.
package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
)

// Kind says why a finding is told.
type Kind string

// The kinds of events.
const (
	New      Kind = "new"
	Worse    Kind = "worse"    // there are further rows; where there are too many to know each, a tenth or more
	Resolved Kind = "resolved" // the check passes again
	Reminder Kind = "reminder" // it is still there
)

// CouldNotRun stands for all checks that could not run: they usually share their cause,
// a server that is away. It is no check's id.
const CouldNotRun = "could-not-run"

// Event is something about a finding that people should know.
type Event struct {
	Kind     Kind                 `json:"kind"`
	Check    string               `json:"check"`
	Title    string               `json:"title"`
	Severity consistency.Severity `json:"severity"`
	Count    int64                `json:"count"`
	Before   int64                `json:"before,omitempty"` // the count that was told last
	Fresh    int64                `json:"fresh,omitempty"`  // of Count: rows that were not told before
	Untold   bool                 `json:"untold,omitempty"` // it is resolved, and could not be told before
	Since    time.Time            `json:"since"`            // when it was first told, or could not be
	Samples  []string             `json:"samples,omitempty"`
	Remedy   string               `json:"remedy,omitempty"`
}

// events compares a report with what was told, by check id.
func events(r *consistency.Report, told map[string]Notice, remind time.Duration, now time.Time) []Event {
	var out []Event
	found := map[string]bool{}
	for _, f := range findings(r) {
		found[f.id] = true
		was, known := told[f.id]
		if e := f.event(was, known, remind, now); e.Kind != "" {
			out = append(out, e)
		}
	}
	did := ran(r)
	for _, id := range slices.Sorted(maps.Keys(told)) {
		if was := told[id]; !found[id] && was.over(did) {
			out = append(out, was.resolved())
		}
	}
	slices.SortStableFunc(out, func(a, b Event) int { return rank(a.Kind) - rank(b.Kind) })
	return out
}

// event is what someone who knows of was should know now; no kind means nothing.
func (f finding) event(was Notice, known bool, remind time.Duration, now time.Time) Event {
	e := Event{Check: f.id, Title: f.title, Severity: f.severity, Count: f.count, Since: now, Samples: f.samples, Remedy: f.remedy}
	fresh, rows := f.fresh(was)
	switch {
	case f.events && fresh > 0:
		e.Kind, e.Count, e.Samples = New, fresh, f.show(rows)
	case f.events: // what happened stays so: there is no reminder
	case !known:
		e.Kind = New
	default:
		e.Before, e.Since = was.Count, was.Since
		switch {
		case len(rows) > 0:
			e.Kind, e.Fresh, e.Samples = Worse, fresh, f.show(rows)
			if f.count <= was.Count || was.owed() { // others took the place of those that were told
				e.Kind = New
			}
		case fresh > 0 && was.owed():
			e.Kind = New
		case fresh > 0 && fresh*10 >= was.Count:
			e.Kind = Worse
		case remind > 0 && now.Sub(was.ToldAt) >= remind:
			e.Kind = Reminder
		}
	}
	return e
}

// over says whether what was told is over, now that these checks ran. Of a check that did
// not run nothing is known, and what happened is never over.
func (n Notice) over(ran map[string]bool) bool {
	if n.Check == CouldNotRun {
		return !slices.ContainsFunc(n.Subjects, func(id string) bool { return !ran[id] && consistency.Find(id) != nil })
	}
	c := consistency.Find(n.Check)
	return c == nil || !c.Events() && ran[n.Check]
}

func (n Notice) resolved() Event {
	e := Event{Kind: Resolved, Check: n.Check, Title: "Checks could not run", Severity: consistency.Error, Before: n.Count, Untold: n.owed(), Since: n.Since}
	if c := consistency.Find(n.Check); c != nil {
		e.Title, e.Severity = c.Title, c.Severity
	} else if n.Check != CouldNotRun {
		e.Title = "The check is no longer in the catalogue"
	}
	return e
}

func rank(k Kind) int { return slices.Index([]Kind{New, Worse, Reminder, Resolved}, k) }

// String is the event in a line, for messages and tables.
func (e Event) String() string {
	s := fmt.Sprintf("%s %s %s", strings.ToUpper(string(e.Kind)), e.Check, e.Title)
	switch {
	case e.Untold:
		return s + ": it was there, and is over before it could be told"
	case e.Kind == Resolved:
		return s
	case e.Before > 0 && e.Before != e.Count:
		return fmt.Sprintf("%s: %d, was %d", s, e.Count, e.Before)
	case e.Fresh > 0 && e.Fresh < e.Count:
		return fmt.Sprintf("%s: %d, %d of them new", s, e.Count, e.Fresh)
	}
	return fmt.Sprintf("%s: %d", s, e.Count)
}

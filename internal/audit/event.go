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
	Worse    Kind = "worse"    // its count grew by a tenth or more since it was told
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
	Since    time.Time            `json:"since"`            // when it was first told
	Samples  []string             `json:"samples,omitempty"`
	Remedy   string               `json:"remedy,omitempty"`
}

// finding is what is wrong now, of one check or of those that could not run.
type finding struct {
	id       string
	title    string
	severity consistency.Severity
	count    int64
	samples  []string
	remedy   string
}

// findings of a report: failures that no baseline covers, then one for what could not run.
func findings(r *consistency.Report) []finding {
	var out []finding
	away := finding{id: CouldNotRun, title: "Checks could not run", severity: consistency.Error,
		remedy: "Nothing is known of what they look at. See whether the servers can be reached: leadgenctl doctor"}
	for _, c := range r.Checks {
		switch {
		case c.Status == consistency.Fail && c.Count > c.Known:
			out = append(out, finding{c.ID, c.Title, c.Severity, c.Count - c.Known, c.Samples, c.Remedy})
		case c.Status == consistency.Errored:
			away.count++
			if len(away.samples) < 5 && !slices.Contains(away.samples, c.Message) {
				away.samples = append(away.samples, c.Message)
			}
		}
	}
	if away.count > 0 {
		out = append(out, away)
	}
	return out
}

// unknown are the checks that a report says nothing about: they are not resolved.
func unknown(r *consistency.Report) map[string]bool {
	out := map[string]bool{}
	for _, c := range r.Checks {
		if c.Status == consistency.Errored || c.Status == consistency.Skip {
			out[c.ID] = true
		}
	}
	return out
}

// Notice is what a channel was last told of a finding.
type Notice struct {
	Channel string    `json:"channel"`
	Check   string    `json:"check"`
	Count   int64     `json:"count"`
	Since   time.Time `json:"since"`
	ToldAt  time.Time `json:"told_at"`
}

// events compares a report with what was told, by check id.
func events(r *consistency.Report, told map[string]Notice, remind time.Duration, now time.Time) []Event {
	var out []Event
	found := map[string]bool{}
	for _, f := range findings(r) {
		found[f.id] = true
		e := Event{Kind: New, Check: f.id, Title: f.title, Severity: f.severity, Count: f.count, Since: now, Samples: f.samples, Remedy: f.remedy}
		if was, ok := told[f.id]; ok {
			e.Before, e.Since = was.Count, was.Since
			switch {
			case f.count > was.Count && f.count*10 >= was.Count*11:
				e.Kind = Worse
			case remind > 0 && now.Sub(was.ToldAt) >= remind:
				e.Kind = Reminder
			default:
				continue
			}
		}
		out = append(out, e)
	}
	silent := unknown(r)
	for _, id := range slices.Sorted(maps.Keys(told)) {
		if found[id] || silent[id] {
			continue
		}
		e := Event{Kind: Resolved, Check: id, Title: "Checks could not run", Severity: consistency.Error, Before: told[id].Count, Since: told[id].Since}
		if c := consistency.Find(id); c != nil {
			e.Title, e.Severity = c.Title, c.Severity
		} else if id != CouldNotRun {
			e.Title = "The check is no longer in the catalogue"
		}
		out = append(out, e)
	}
	slices.SortStableFunc(out, func(a, b Event) int { return rank(a.Kind) - rank(b.Kind) })
	return out
}

func rank(k Kind) int { return slices.Index([]Kind{New, Worse, Reminder, Resolved}, k) }

// String is the event in a line, for messages and tables.
func (e Event) String() string {
	s := fmt.Sprintf("%s %s %s", strings.ToUpper(string(e.Kind)), e.Check, e.Title)
	switch {
	case e.Kind == Resolved:
		return s
	case e.Before > 0 && e.Before != e.Count:
		return fmt.Sprintf("%s: %d, was %d", s, e.Count, e.Before)
	}
	return fmt.Sprintf("%s: %d", s, e.Count)
}

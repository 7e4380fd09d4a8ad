package audit

import (
	"slices"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/output"
)

// finding is what is wrong now, of one check or of those that could not run.
type finding struct {
	id       string
	title    string
	severity consistency.Severity
	count    int64
	samples  []string
	remedy   string
	subjects []consistency.Subject // as many as are known by their rows
	events   bool                  // it is what happened, newest first
}

// findings of a report: failures that no baseline covers, then one for what could not run.
func findings(r *consistency.Report) []finding {
	var out []finding
	away := finding{id: CouldNotRun, title: "Checks could not run", severity: consistency.Error,
		remedy: "Nothing is known of what they look at. See whether the servers can be reached: leadgenctl doctor"}
	for _, c := range r.Checks {
		switch {
		case c.Status == consistency.Fail && c.Count > c.Known:
			out = append(out, findingOf(c))
		case c.Status == consistency.Errored:
			away.count++
			away.subjects = append(away.subjects, consistency.Subject{ID: c.ID})
			if len(away.samples) < 5 && !slices.Contains(away.samples, output.OneLine(c.Message)) {
				away.samples = append(away.samples, output.OneLine(c.Message))
			}
		}
	}
	if away.count > 0 {
		out = append(out, away)
	}
	return out
}

func findingOf(c consistency.Result) finding {
	f := finding{id: c.ID, title: c.Title, severity: c.Severity, count: c.Count - c.Known, remedy: c.Remedy}
	for _, s := range c.Samples {
		f.samples = append(f.samples, output.OneLine(s))
	}
	for _, s := range c.Subjects {
		if !s.Known {
			f.subjects = append(f.subjects, s)
		}
	}
	if check := consistency.Find(c.ID); check != nil {
		f.events = check.Events()
	}
	if f.exact() { // the baseline's rows are not among what is shown
		f.samples = f.show(f.subjects)
	}
	return f
}

// exact says whether all that was found is known by its rows.
func (f finding) exact() bool { return int64(len(f.subjects)) == f.count }

// fresh is how much of a finding a notice does not cover: row by row where each is known,
// else by the counts alone, without rows.
func (f finding) fresh(was Notice) (int64, []consistency.Subject) {
	var rows []consistency.Subject
	for _, s := range f.subjects {
		if !slices.Contains(was.Subjects, s.ID) {
			rows = append(rows, s)
		}
	}
	switch {
	case f.events && len(rows) == len(f.subjects):
		return f.count, rows
	case f.events: // newest first: what follows one that was told is older still
		return int64(len(rows)), rows
	case f.id != CouldNotRun && f.exact() && was.exact():
		return int64(len(rows)), rows
	}
	return max(0, f.count-was.Count), nil
}

// show names rows, as many as a report shows; without their names, any of the finding.
func (f finding) show(rows []consistency.Subject) []string {
	var out []string
	for _, s := range rows {
		if s.Name != "" && len(out) < len(f.samples) {
			out = append(out, output.OneLine(s.Name))
		}
	}
	if len(out) == 0 {
		return f.samples
	}
	return out
}

// ids are what a notice remembers of a finding. Of events it keeps those that it had: a
// later audit may look back further than this one.
func (f finding) ids(was Notice) []string {
	out := []string{}
	for _, s := range f.subjects {
		out = append(out, s.ID)
	}
	for _, s := range was.Subjects {
		if (f.events || f.id == "") && !slices.Contains(out, s) && len(out) < maxTold {
			out = append(out, s)
		}
	}
	return out
}

// ran are the checks of a report that ran. What it says nothing about, is not resolved.
func ran(r *consistency.Report) map[string]bool {
	out := map[string]bool{}
	for _, c := range r.Checks {
		if c.Status == consistency.Pass || c.Status == consistency.Fail {
			out[c.ID] = true
		}
	}
	return out
}

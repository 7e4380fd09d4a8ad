package doctorcmd

import (
	"fmt"
	"io"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/exit"
)

// family is that of doctor's own checks, whose ids start with LGD.
const family consistency.Family = "doctor"

// report has the shape of check-consistency's. The message of a passed check says
// what was seen.
type report struct {
	Checks  []consistency.Result `json:"checks"`
	Summary consistency.Summary  `json:"summary"`
}

// passed records what was seen and is well.
func (r *report) passed(id, title, format string, a ...any) {
	r.add(consistency.Result{ID: id, Title: title, Severity: consistency.Info, Status: consistency.Pass, Message: fmt.Sprintf(format, a...)})
}

// skipped records what cannot be looked at here, and why that is no fault.
func (r *report) skipped(id, title, format string, a ...any) {
	r.add(consistency.Result{ID: id, Title: title, Severity: consistency.Info, Status: consistency.Skip, Message: fmt.Sprintf(format, a...)})
}

// found records a finding; samples name what it is about.
func (r *report) found(id, title string, s consistency.Severity, remedy string, samples ...string) {
	r.add(consistency.Result{ID: id, Title: title, Severity: s, Status: consistency.Fail, Count: int64(len(samples)), Samples: samples, Remedy: remedy})
}

// failed records that something could not be looked at.
func (r *report) failed(id, title string, err error, remedy string) {
	err = cmdutil.Explain(err)
	if remedy == "" {
		remedy = exit.Hint(err)
	}
	r.add(consistency.Result{ID: id, Title: title, Severity: consistency.Error, Status: consistency.Errored, Message: err.Error(), Remedy: remedy})
}

func (r *report) add(c consistency.Result) {
	c.Family = family
	if c.Samples == nil {
		c.Samples = []string{}
	}
	r.Checks = append(r.Checks, c)
}

// took notes how long the last check asked a server.
func (r *report) took(since time.Time) {
	r.Checks[len(r.Checks)-1].DurationMS = float64(time.Since(since).Microseconds()) / 1000
}

func (r *report) summarize() {
	for _, c := range r.Checks {
		switch c.Status {
		case consistency.Pass:
			r.Summary.Pass++
		case consistency.Fail:
			r.Summary.Fail++
		case consistency.Errored:
			r.Summary.Error++
		case consistency.Skip:
			r.Summary.Skip++
		}
	}
}

// verdict is the exit code: what could not be looked at comes before what was found.
func (r *report) verdict(failOn consistency.FailOn) error {
	if r.Summary.Error > 0 {
		return exit.Silent(exit.Unreachable)
	}
	for _, c := range r.Checks {
		if failOn.Fails(c) {
			return exit.Silent(exit.Findings)
		}
	}
	return nil
}

// write is for people: a line for each check, then what is to be done.
func (r *report) write(f *cmdutil.Factory, w io.Writer) error {
	rows := make([][]string, len(r.Checks))
	for i, c := range r.Checks {
		status := string(c.Status)
		if c.Status == consistency.Fail {
			status = string(c.Severity)
		}
		text := c.Title
		if c.Status == consistency.Pass && c.Message != "" {
			text += ": " + c.Message
		}
		rows[i] = []string{status, c.ID, text}
	}
	if err := f.Table(w, []string{"status", "id", "check"}, rows); err != nil {
		return err
	}
	for _, c := range r.Checks {
		if err := detail(w, c); err != nil {
			return err
		}
	}
	s := r.Summary
	_, err := fmt.Fprintf(w, "\n%d passed, %d failed, %d could not run, %d skipped\n", s.Pass, s.Fail, s.Error, s.Skip)
	return err
}

func detail(w io.Writer, c consistency.Result) error {
	if c.Status == consistency.Pass {
		return nil
	}
	text := fmt.Sprintf("\n%s %s\n", c.ID, c.Title)
	for _, s := range c.Samples {
		text += "  " + s + "\n"
	}
	if c.Message != "" {
		text += "  " + c.Message + "\n"
	}
	if c.Remedy != "" && c.Status != consistency.Skip {
		text += "  What to do: " + c.Remedy + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

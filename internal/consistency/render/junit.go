package render

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/output"
)

// The usual JUnit XML: a suite per family, a case per check. A check that could not
// run is an <error>, a finding that --fail-on names a <failure>.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name      string      `xml:"name,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Errors    int         `xml:"errors,attr"`
		Skipped   int         `xml:"skipped,attr"`
		Time      string      `xml:"time,attr"`
		Timestamp string      `xml:"timestamp,attr"`
		Cases     []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		Class     string        `xml:"classname,attr"`
		Time      string        `xml:"time,attr"`
		Skipped   *junitMessage `xml:"skipped,omitempty"`
		Error     *junitProblem `xml:"error,omitempty"`
		Failure   *junitProblem `xml:"failure,omitempty"`
		SystemOut string        `xml:"system-out,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
	}
	junitProblem struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// junitTime is ISO 8601 without a zone, as the readers want it.
const junitTime = "2006-01-02T15:04:05"

func junit(w io.Writer, r *consistency.Report, o Options) error {
	all := junitSuites{Name: "leadgenctl check-consistency", Time: inSeconds(r.DurationMS)}
	for _, group := range families(r) {
		s := junitSuite{Name: string(group[0].Family), Timestamp: r.StartedAt.UTC().Format(junitTime)}
		var spent float64
		for _, c := range group {
			spent += c.DurationMS
			s.add(c, o)
		}
		s.Time = inSeconds(spent)
		all.Tests, all.Failures, all.Errors = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) add(c consistency.Result, o Options) {
	t := junitCase{Name: c.ID + " " + output.Printable(c.Title), Class: "leadgenctl." + string(c.Family), Time: inSeconds(c.DurationMS)}
	s.Tests++
	switch {
	case c.Status == consistency.Errored:
		s.Errors++
		t.Error = &junitProblem{output.Printable(c.Message), "could not run", output.Printable(c.Message)}
	case c.Status == consistency.Skip:
		s.Skipped++
		t.Skipped = &junitMessage{output.Printable(c.Message)}
	case o.FailOn.Fails(c):
		s.Failures++
		t.Failure = &junitProblem{fmt.Sprintf("%d found", c.Count), string(c.Severity), output.Printable(found(c))}
	case c.Count > 0:
		t.SystemOut = output.Printable(found(c))
	}
	s.Cases = append(s.Cases, t)
}

// found says what a check found, in lines.
func found(c consistency.Result) string {
	lines := append([]string{}, c.Samples...)
	if more := c.Count - int64(len(c.Samples)); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(append(lines, "What to do: "+c.Remedy), "\n")
}

func inSeconds(ms float64) string {
	return fmt.Sprintf("%.3f", (time.Duration(ms * float64(time.Millisecond))).Seconds())
}

// families groups the results, in their order.
func families(r *consistency.Report) [][]consistency.Result {
	var groups [][]consistency.Result
	for _, c := range r.Checks {
		if n := len(groups); n > 0 && groups[n-1][0].Family == c.Family {
			groups[n-1] = append(groups[n-1], c)
		} else {
			groups = append(groups, []consistency.Result{c})
		}
	}
	return groups
}

package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/output"
)

// titleColumn is where the titles begin.
const titleColumn = 36

// table is for people: every check in a line, then what is to be done.
func table(w io.Writer, r *consistency.Report, o Options) error {
	p := &printer{w: w, color: o.Color, width: o.Width}
	p.line("%-6s  %-7s  %-8s  %7s  %s", "STATUS", "ID", "SEVERITY", "COUNT", "CHECK")
	for _, c := range r.Checks {
		count := "-"
		if c.Count > 0 {
			count = fmt.Sprint(c.Count)
		}
		p.hang(fmt.Sprintf("%s  %-7s  %-8s  %7s  ", p.status(c), c.ID, c.Severity, count), titleColumn, c.Title)
	}
	for _, c := range r.Checks {
		p.detail(c)
	}
	s := r.Summary
	p.line("\n%d passed, %d failed, %d could not run, %d skipped", s.Pass, s.Fail, s.Error, s.Skip)
	return p.err
}

type printer struct {
	w     io.Writer
	color bool
	width int // in columns
	err   error
}

func (p *printer) line(format string, a ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", a...)
	}
}

// status is padded before it is coloured.
func (p *printer) status(c consistency.Result) string {
	text := fmt.Sprintf("%-6s", c.Status)
	if c.Status == consistency.Pass && c.Count > 0 {
		text = "info  "
	}
	if !p.color {
		return text
	}
	code := "32"
	switch {
	case c.Status == consistency.Skip:
		code = "2"
	case c.Status == consistency.Errored, c.Status == consistency.Fail && c.Severity == consistency.Error:
		code = "31"
	case c.Status == consistency.Fail:
		code = "33"
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p *printer) detail(c consistency.Result) {
	switch c.Status {
	case consistency.Errored:
		p.line("")
		p.hang("", 2, c.ID+" "+c.Title+": could not run")
		p.hang("  ", 2, output.OneLine(c.Message))
	case consistency.Fail:
		known := ""
		if c.Known > 0 {
			known = fmt.Sprintf(", %d known to the baseline", c.Known)
		}
		p.line("")
		p.hang("", 2, fmt.Sprintf("%s %s (%s, %d%s)", c.ID, c.Title, c.Severity, c.Count, known))
		for _, s := range c.Samples {
			p.hang("  - ", 4, output.OneLine(s))
		}
		if more := c.Count - int64(len(c.Samples)); more > 0 {
			p.line("  - and %d more", more)
		}
		p.hang("  ", 2, "What to do: "+c.Remedy)
		if c.Fixable {
			p.hang("  ", 2, "Or let it be mended: leadgenctl check-consistency --fix --only "+c.ID)
		}
	}
}

// hang writes text behind a head; on a terminal, what does not fit goes on below, indented.
func (p *printer) hang(head string, indent int, text string) {
	lines := []string{text}
	if p.width > 0 {
		lines = fold(text, max(p.width-indent, 8))
	}
	for i, l := range lines {
		if i > 0 {
			head = strings.Repeat(" ", indent)
		}
		p.line("%s%s", head, l)
	}
}

// fold breaks text at blanks into lines of so many columns, and a word that is longer
// anywhere.
func fold(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && runewidth.StringWidth(line+" "+word) <= width {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		for line = word; runewidth.StringWidth(line) > width; {
			part := runewidth.Truncate(line, width, "")
			lines, line = append(lines, part), line[len(part):]
		}
	}
	return append(lines, line)
}

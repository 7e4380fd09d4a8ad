package render

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/output"
)

// table is for people: every check in a line, then what is to be done.
func table(w io.Writer, r *consistency.Report, o Options) error {
	p := &printer{w: w, color: o.Color, width: o.Width}
	if p.width <= 0 {
		p.width = 80
	}
	p.line("%-6s  %-7s  %-8s  %7s  %s", "STATUS", "ID", "SEVERITY", "COUNT", "CHECK")
	for _, c := range r.Checks {
		count := "-"
		if c.Count > 0 {
			count = fmt.Sprint(c.Count)
		}
		p.line("%s  %-7s  %-8s  %7s  %s", p.status(c), c.ID, c.Severity, count, c.Title)
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
		p.line("\n%s %s: could not run", c.ID, c.Title)
		p.wrap("  ", output.OneLine(c.Message))
	case consistency.Fail:
		known := ""
		if c.Known > 0 {
			known = fmt.Sprintf(", %d known to the baseline", c.Known)
		}
		p.line("\n%s %s (%s, %d%s)", c.ID, c.Title, c.Severity, c.Count, known)
		for _, s := range c.Samples {
			p.line("  - %s", output.OneLine(s))
		}
		if more := c.Count - int64(len(c.Samples)); more > 0 {
			p.line("  - and %d more", more)
		}
		p.wrap("  ", "What to do: "+c.Remedy)
		if c.Fixable {
			p.line("  Or let it be mended: leadgenctl check-consistency --fix --only %s", c.ID)
		}
	}
}

// wrap breaks text at blanks before the last column.
func (p *printer) wrap(indent, text string) {
	line := indent
	for word := range strings.FieldsSeq(text) {
		if utf8.RuneCountInString(line)+utf8.RuneCountInString(word) > p.width && line != indent {
			p.line("%s", strings.TrimRight(line, " "))
			line = indent
		}
		line += word + " "
	}
	p.line("%s", strings.TrimRight(line, " "))
}

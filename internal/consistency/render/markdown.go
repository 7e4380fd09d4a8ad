package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/output"
)

// markdown is for pull requests and chat.
func markdown(w io.Writer, r *consistency.Report, _ Options) error {
	p := &printer{w: w}
	s := r.Summary
	p.line("## Consistency: %d passed, %d failed, %d could not run, %d skipped\n", s.Pass, s.Fail, s.Error, s.Skip)
	p.line("| Status | Check | Severity | Count | |\n|---|---|---|---:|---|")
	for _, c := range r.Checks {
		p.line("| %s | %s | %s | %d | %s |", c.Status, c.ID, c.Severity, c.Count, cell(c.Title))
	}
	for _, c := range r.Checks {
		switch c.Status {
		case consistency.Errored:
			p.line("\n### %s %s: could not run\n\n%s", c.ID, cell(c.Title), code(c.Message))
		case consistency.Fail:
			p.line("\n### %s %s (%d)\n", c.ID, cell(c.Title), c.Count)
			for _, sample := range c.Samples {
				p.line("- %s", code(sample))
			}
			p.line("\n**What to do:** %s", c.Remedy)
		}
	}
	if p.err != nil {
		return fmt.Errorf("markdown: %w", p.err)
	}
	return nil
}

// cell keeps a title, which is ours, from being read as markup.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`).Replace(output.OneLine(s))
}

// code shows what a row holds as it is: in a code span nothing is markup, a link, an image
// or somebody's name. Its fence is longer than any in the text.
func code(s string) string {
	s = output.OneLine(s)
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}

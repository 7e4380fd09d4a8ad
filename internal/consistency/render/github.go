package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/output"
)

// github prints workflow commands, which GitHub shows as annotations.
func github(w io.Writer, r *consistency.Report, _ Options) error {
	for _, c := range r.Checks {
		level, text := "", ""
		switch {
		case c.Status == consistency.Errored:
			level, text = "error", "could not run: "+c.Message
		case c.Count == 0:
			continue
		case c.Status == consistency.Fail && c.Severity == consistency.Error && c.Known < c.Count:
			level, text = "error", found(c)
		case c.Status == consistency.Fail && c.Severity == consistency.Warning && c.Known < c.Count:
			level, text = "warning", found(c)
		default:
			level, text = "notice", found(c)
		}
		title := fmt.Sprintf("%s %s (%d)", c.ID, c.Title, c.Count)
		if _, err := fmt.Fprintf(w, "::%s title=%s::%s\n", level, githubProperty(output.Printable(title)), githubData(output.Printable(text))); err != nil {
			return err
		}
	}
	return nil
}

var (
	dataEscapes     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	propertyEscapes = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func githubData(s string) string     { return dataEscapes.Replace(s) }
func githubProperty(s string) string { return propertyEscapes.Replace(s) }

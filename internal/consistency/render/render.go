// Package render writes reports of the checks in the formats that people, CI systems
// and monitoring read.
package render

import (
	"fmt"
	"io"
	"slices"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/output"
)

// Options of a rendering.
type Options struct {
	Color  bool
	Width  int                // of the terminal; 0 for none: no line is broken
	FailOn consistency.FailOn // which findings a format shall call failures
}

type writer func(io.Writer, *consistency.Report, Options) error

var formats = map[string]writer{
	"table": table,
	"json":  jsonReport,
	"yaml":  yamlReport,
	"junit": junit, "sarif": sarif, "github": github, "prometheus": prometheus, "markdown": markdown,
}

// Formats lists the known formats, sorted.
func Formats() []string {
	var names []string
	for n := range formats {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Known says whether there is such a format.
func Known(format string) bool { return formats[format] != nil }

// Write renders a report. The format must be known.
func Write(w io.Writer, format string, r *consistency.Report, o Options) error {
	if err := formats[format](w, r, o); err != nil {
		return fmt.Errorf("write the report as %s: %w", format, err)
	}
	return nil
}

func jsonReport(w io.Writer, r *consistency.Report, _ Options) error {
	return output.JSON(w, r, "  ")
}

func yamlReport(w io.Writer, r *consistency.Report, _ Options) error { return output.YAML(w, r) }

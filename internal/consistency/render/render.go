// Package render writes reports of the checks in the formats that people, CI systems
// and monitoring read.
package render

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
)

// Options of a rendering.
type Options struct {
	Color  bool
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
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// yamlReport has the same keys as the JSON, in their order.
func yamlReport(w io.Writer, r *consistency.Report, _ Options) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(data, &node); err != nil {
		return err
	}
	plainStyle(&node)
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	if err := e.Encode(&node); err != nil {
		return err
	}
	return e.Close()
}

// plainStyle drops the JSON's braces and quotes; the encoder quotes where it must.
func plainStyle(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		plainStyle(c)
	}
}

package cmdutil

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/internal/output"
)

// CheckOutput refuses an unknown value of -o. Commands with further formats pass them.
func (f *Factory) CheckOutput(further ...string) error {
	known := append([]string{"table", "json", "yaml"}, further...)
	for _, k := range known {
		if f.Output == k {
			return nil
		}
	}
	return exit.Usagef("unknown output format %q; known are: %s", f.Output, strings.Join(known, ", "))
}

// Print writes a result in the format of -o: value as JSON or YAML (the same keys,
// from its json tags), or, for a person, what table writes.
func (f *Factory) Print(value any, table func(w io.Writer) error) error {
	var err error
	switch f.Output {
	case "json":
		err = output.JSON(f.IO.Out, value, "  ")
	case "yaml":
		err = output.YAML(f.IO.Out, value)
	default:
		err = table(f.IO.Out)
	}
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// PrintLine writes one result of a stream: one JSON object a line, YAML documents, or table's line.
func (f *Factory) PrintLine(value any, table func(w io.Writer) error) error {
	switch f.Output {
	case "json":
		return output.JSON(f.IO.Out, value, "")
	case "yaml":
		if _, err := io.WriteString(f.IO.Out, "---\n"); err != nil {
			return err
		}
		return output.YAML(f.IO.Out, value)
	default:
		return table(f.IO.Out)
	}
}

// Table writes rows in columns without borders, as kubectl does. On a terminal
// the last column is wrapped to its width; in a pipe no row is ever broken.
func (f *Factory) Table(w io.Writer, header []string, rows [][]string) error {
	opts := []tablewriter.Option{
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders:  tw.BorderNone,
			Settings: tw.Settings{Separators: tw.SeparatorsNone, Lines: tw.LinesNone},
		})),
		tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAlignment(tw.AlignLeft),
		tablewriter.WithPadding(tw.Padding{Right: "  ", Overwrite: true}),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithTrimSpace(tw.Off),
	}
	if f.IO.OutIsTerminal() {
		opts = append(opts, tablewriter.WithMaxWidth(f.IO.Width()), tablewriter.WithRowAutoWrap(tw.WrapNormal))
	} else {
		opts = append(opts, tablewriter.WithRowAutoWrap(tw.WrapNone))
	}
	t := tablewriter.NewTable(trimRight{w}, opts...)
	upper := make([]string, len(header))
	for i, h := range header {
		upper[i] = strings.ToUpper(h)
	}
	t.Header(upper)
	if err := t.Bulk(clean(rows)); err != nil {
		return err
	}
	return t.Render()
}

// clean makes each cell a line of printable text: what the app's rows hold must not act on
// the terminal, nor look like a further row.
func clean(rows [][]string) [][]string {
	out := make([][]string, len(rows))
	for i, row := range rows {
		out[i] = make([]string, len(row))
		for j, cell := range row {
			out[i][j] = output.OneLine(cell)
		}
	}
	return out
}

// trimRight drops the padding that the table leaves at the end of a line.
type trimRight struct{ w io.Writer }

func (t trimRight) Write(p []byte) (int, error) {
	lines := strings.Split(string(p), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	if _, err := io.WriteString(t.w, strings.Join(lines, "\n")); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Fields writes "name: value" lines with the values aligned, for one thing's details; the
// values are clean as cells are.
func (f *Factory) Fields(w io.Writer, pairs ...[2]string) error {
	width := 0
	for _, p := range pairs {
		width = max(width, len(p[0])+1)
	}
	for _, p := range pairs {
		if p[1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%-*s  %s\n", width, p[0]+":", output.OneLine(p[1])); err != nil {
			return err
		}
	}
	return nil
}

// Age is a duration as a person says it: 45s, 12m, 3h20m, 5d4h.
func Age(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	}
}

// Time is a moment for tables, UTC to the second; "-" for none.
func Time(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// Bytes is a size as a person says it: 512 B, 1.5 MiB.
func Bytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	size, unit := float64(n)/1024, 0
	for ; size >= 1024 && unit < 4; unit++ {
		size /= 1024
	}
	return fmt.Sprintf("%.1f %ciB", size, "KMGTP"[unit])
}

package checkcmd

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/consistency"
)

// entry is the JSON of one check of the catalogue.
type entry struct {
	ID       string               `json:"id"`
	Family   consistency.Family   `json:"family"`
	Severity consistency.Severity `json:"severity"`
	Title    string               `json:"title"`
	Meaning  string               `json:"meaning"`
	Remedy   string               `json:"remedy"`
	Fixable  bool                 `json:"fixable"`
	Reads    string               `json:"reads"`
}

func entryOf(c *consistency.Check) entry {
	return entry{c.ID, c.Family, c.Severity, c.Title, c.Meaning, c.Remedy, c.Fixable(), c.Reads}
}

func newList(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List every check",
		Example: "  leadgenctl check-consistency list",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var (
				all  []entry
				rows [][]string
			)
			for _, c := range consistency.Catalogue() {
				fixable := "-"
				if c.Fixable() {
					fixable = "yes"
				}
				all = append(all, entryOf(c))
				rows = append(rows, []string{c.ID, string(c.Family), string(c.Severity), fixable, c.Title})
			}
			return f.Print(all, func(w io.Writer) error {
				return f.Table(w, []string{"id", "family", "severity", "--fix", "check"}, rows)
			})
		},
	}
}

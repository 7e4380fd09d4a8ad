package checkcmd

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/exit"
)

func newExplain(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "explain ID",
		Short:   "Say what a check means, what to do, and what it reads",
		Example: "  leadgenctl check-consistency explain LGB003",
		Args:    cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var ids []string
			for _, c := range consistency.Catalogue() {
				ids = append(ids, c.ID+"\t"+c.Title)
			}
			return ids, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			c := consistency.Find(args[0])
			if c == nil {
				return exit.WithHint(exit.Usagef("there is no check %q", args[0]), "see: leadgenctl check-consistency list")
			}
			fixable := "no"
			if c.Fixable() {
				fixable = "yes"
			}
			return f.Print(entryOf(c), func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s  %s\nFamily %s, severity %s, --fix: %s\n\nWhat it means\n  %s\n\nWhat to do\n  %s\n\nWhat it reads\n  %s\n",
					c.ID, c.Title, c.Family, c.Severity, fixable, c.Meaning, c.Remedy, c.Reads)
				return err
			})
		},
	}
}

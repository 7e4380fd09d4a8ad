// Package configcmd is `leadgenctl config`.
package configcmd

import (
	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
)

// New returns the command with its verbs.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "config",
		Short:   "Show and make the configuration",
		Example: "  leadgenctl config init\n  leadgenctl config view --context prod",
	}
	cmd.AddCommand(newView(f), newInit(f))
	return cmd
}

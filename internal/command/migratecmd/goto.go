package migratecmd

import (
	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
)

func newGoto(f *cmdutil.Factory) *cobra.Command {
	var write cmdutil.WriteFlags
	cmd := &cobra.Command{
		Use:   "goto VERSION",
		Short: "Go up or down to a version, whichever way it lies",
		Example: `  leadgenctl migrate goto campaign_gate --yes
  leadgenctl migrate goto 7 --dry-run`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := migrator(cmd.Context(), f)
			if err != nil {
				return err
			}
			pending, err := m.Pending(cmd.Context(), args[0])
			if err != nil {
				return explain(err)
			}
			if len(pending) > 0 {
				return runUp(cmd.Context(), f, upOptions{to: args[0], write: write})
			}
			return runDown(cmd.Context(), f, args[0], write)
		},
	}
	write.Add(cmd)
	return cmd
}

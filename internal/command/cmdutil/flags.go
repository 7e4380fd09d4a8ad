package cmdutil

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/internal/iostreams"
)

// WriteFlags are the flags of every command that writes.
type WriteFlags struct {
	DryRun bool // show what would change and change nothing
	Yes    bool // do not ask
}

// Add registers --dry-run and --yes on cmd.
func (w *WriteFlags) Add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&w.DryRun, "dry-run", false, "show exactly what would change, and change nothing")
	cmd.Flags().BoolVarP(&w.Yes, "yes", "y", false, "do not ask for confirmation")
}

// Confirm asks before something destructive. Off a terminal it refuses without --yes. A
// cancelled ctx ends it at once.
func (w *WriteFlags) Confirm(ctx context.Context, io *iostreams.IOStreams, question string) error {
	if w.Yes {
		return nil
	}
	if !io.CanPrompt() {
		return exit.Usagef("--yes is required when there is no terminal to ask on: %s", question)
	}
	ok, err := io.Confirm(ctx, question)
	if err != nil {
		return err
	}
	if !ok {
		return exit.Refusedf("not confirmed; nothing was changed")
	}
	return nil
}

// Package snapshotcmd is `leadgenctl snapshot`: it looks at the snapshots that
// migrate-state and its rollback take and at what --fix changed, and restores them.
package snapshotcmd

import (
	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
)

// New returns the command with its verbs.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snapshot",
		Short: "List, show and restore the snapshots of the breaker's state, and what --fix changed",
		Long: `List, show and restore the snapshots of the breaker's state.

migrate-state takes one before it changes anything, and so does a rollback. Each
holds the old keys and the global key byte for byte, with their remaining lives
and a checksum. They are files in --snapshot-dir, or rows of leadgenctl.snapshots
in PostgreSQL (--snapshot-store=postgres).

What check-consistency --fix changed is beside them, in PostgreSQL, under ids such
as fix-12: each with the rows as they were.`,
		Example: "  leadgenctl snapshot list\n  leadgenctl snapshot show latest\n  leadgenctl snapshot restore latest --dry-run",
	}
	cmd.AddCommand(newList(f), newShow(f), newRestore(f))
	return cmd
}

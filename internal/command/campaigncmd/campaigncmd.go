// Package campaigncmd is `leadgenctl campaign`.
package campaigncmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/campaign"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
)

// New returns the command.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "campaign",
		Short: "Count campaigns, and move those that are PAUSED off that status",
		Long: `Count campaigns, and move those that are PAUSED off that status.

Campaigns no longer pause: while the circuit breaker is open they stay RUNNING. The
new code of the app fails on a row that says PAUSED.`,
		Example: `  leadgenctl campaign status
  leadgenctl campaign check-paused
  leadgenctl campaign resolve-paused --to RUNNING`,
	}
	cmd.AddCommand(newStatus(f), newCheckPaused(f), newResolvePaused(f))
	return cmd
}

func manager(ctx context.Context, f *cmdutil.Factory) (*campaign.Manager, error) {
	pool, err := f.Postgres(ctx)
	if err != nil {
		return nil, err
	}
	return campaign.New(pool)
}

// text is a value for a table; "-" for none.
func text(s *string) string {
	if s == nil || *s == "" {
		return "-"
	}
	return *s
}

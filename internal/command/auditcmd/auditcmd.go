// Package auditcmd is `leadgenctl audit`: the checks from cron, for years.
package auditcmd

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/audit"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
)

// New returns the command with its verbs.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Run the checks regularly, keep what they find, and tell people what is new",
	}
	cmd.AddCommand(newRun(f), newHistory(f), newDiff(f), newInstall(f))
	return cmd
}

// number reads the number of an audit.
func number(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return 0, exit.Usagef("%q is no number of an audit; see: leadgenctl audit history", s)
	}
	return n, nil
}

// lastTwo are the numbers of the last two audits, the older one first.
func lastTwo(ctx context.Context, f *cmdutil.Factory) (a, b int64, err error) {
	pool, err := f.Postgres(ctx)
	if err != nil {
		return 0, 0, err
	}
	runs, err := audit.History(ctx, pool, 2)
	if err != nil {
		return 0, 0, cmdutil.Explain(err)
	}
	if len(runs) < 2 {
		return 0, 0, exit.Refusedf("there are not two audits to compare yet")
	}
	return runs[1].ID, runs[0].ID, nil
}

package taskscmd

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
)

type gcView struct {
	DryRun  bool     `json:"dry_run,omitempty"`
	Removed []string `json:"reply_queues_removed"`
}

func newGC(f *cmdutil.Factory) *cobra.Command {
	var write cmdutil.WriteFlags
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove the reply queues of clients that are gone",
		Long: `Remove the bindings of reply queues that nobody has used for the time of --wait. Their
lists expire within the hour. A client that lives binds its queue anew when it asks again.`,
		Example: "  leadgenctl tasks gc --dry-run\n  leadgenctl tasks gc --wait 10s --yes",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runGC(cmd.Context(), f, write, wait) },
	}
	cmd.Flags().DurationVar(&wait, "wait", 5*time.Second, "how long a queue must lie unused; longer than clients wait for answers")
	write.Add(cmd)
	return cmd
}

func runGC(ctx context.Context, f *cmdutil.Factory, write cmdutil.WriteFlags, wait time.Duration) error {
	if wait < time.Second {
		return exit.Usagef("--wait %s is shorter than the second for which clients wait for answers", wait)
	}
	r, err := f.BrokerRedis()
	if err != nil {
		return err
	}
	before, err := r.Replies(ctx)
	if err != nil {
		return cmdutil.Explain(err)
	}
	v := gcView{DryRun: write.DryRun, Removed: []string{}}
	if len(before) > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		dead, err := r.DeadReplies(ctx, before)
		if err != nil {
			return cmdutil.Explain(err)
		}
		v.Removed = append(v.Removed, dead...)
	}
	if !write.DryRun && len(v.Removed) > 0 {
		if err := write.Confirm(ctx, f.IO, "Remove "+cmdutil.Count(int64(len(v.Removed)))+" reply queues?"); err != nil {
			return err
		}
		if err := r.Collect(ctx, v.Removed); err != nil {
			return cmdutil.Explain(err)
		}
	}
	return f.Print(v, func(w io.Writer) error {
		name := "Reply queues removed"
		if v.DryRun {
			name = "Reply queues that would be removed"
		}
		return f.Fields(w, [2]string{name, cmdutil.Count(int64(len(v.Removed)))})
	})
}

package breakercmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
)

type closeOptions struct {
	f                *cmdutil.Factory
	reason           string
	dryRun           bool
	replaceMalformed bool
	undo             bool
	pace             cmdutil.ResumeFlags
}

func newClose(f *cmdutil.Factory, run func(context.Context, closeOptions) error) *cobra.Command {
	o := closeOptions{f: f}
	cmd := &cobra.Command{
		Use:   "close",
		Short: "Close the breaker: services are called again, and all paused jobs are resumed",
		Long: `Close the breaker: services are called again, and all paused jobs are resumed.

Nothing else ever closes it: no success, no time and no lost key. Redis comes
first, so that workers do not pause the jobs again; then one transaction in
PostgreSQL records the transition and makes every PAUSED job PENDING. On a closed
breaker the command changes nothing in it and says so; jobs that are paused still
are resumed.

A ramp (--canary, --rate, --batch) resumes some jobs first and the rest at a pace.
It stops by itself when the breaker opens again, and leaves the rest paused; one
that was interrupted goes on with "leadgenctl queue resume --continue".

With --undo a pause that was a mistake is undone: withdrawn messages go back to their
queues, and each job whose own task is still queued or with a worker becomes what it
was, with the error text that it had. Only what is left is resumed.`,
		Example: "  leadgenctl breaker close --undo --reason \"opened by mistake\"\n  leadgenctl breaker close --reason \"Apollo is back\"\n  leadgenctl breaker close --dry-run\n  leadgenctl breaker close --canary 20 --canary-wait 30s --rate 50",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.reason, "reason", "", "why; kept in the history")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "show what would change, and change nothing")
	cmd.Flags().BoolVar(&o.replaceMalformed, "replace-malformed", false, "replace a value that is not a breaker; it is kept in the history")
	cmd.Flags().BoolVar(&o.undo, "undo", false, "make the jobs what they were before the pause, with their own tasks")
	o.pace.Add(cmd)
	return cmd
}

func runClose(ctx context.Context, o closeOptions) error {
	pace, err := o.pace.Options(o.f)
	if err != nil {
		return err
	}
	pace.Undo = o.undo
	if err := pace.Validate(); err != nil {
		return exit.Usagef("--undo: %w", err)
	}
	b, err := connect(ctx, o.f)
	if err != nil {
		return err
	}
	if o.dryRun {
		return plan(ctx, o.f, b, breaker.Closed, o.reason, "")
	}
	pool, err := o.f.Postgres(ctx)
	if err != nil {
		return err
	}
	var bar *cmdutil.Progress
	m, err := newManager(o.f, pool, b, func(done, total int64) {
		if bar == nil {
			bar = o.f.Progress("resuming", total)
		}
		bar.Set(done, total)
	})
	if err != nil {
		return err
	}
	r, err := m.Close(ctx, breaker.CloseOptions{Reason: o.reason, ReplaceMalformed: o.replaceMalformed}, pace)
	if bar != nil {
		bar.Done()
	}
	return show(o.f, r, breaker.Closed, err)
}

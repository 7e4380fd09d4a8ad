package queuecmd

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/queue"
)

type retryOptions struct {
	f        *cmdutil.Factory
	write    cmdutil.WriteFlags
	since    string
	all      bool
	dispatch cmdutil.DispatchFlags
}

type retryView struct {
	DryRun      bool  `json:"dry_run,omitempty"`
	JobsRetried int64 `json:"jobs_retried"`
	cmdutil.Dispatched
}

func newRetry(f *cmdutil.Factory) *cobra.Command {
	o := retryOptions{f: f}
	cmd := &cobra.Command{
		Use:   "retry --failed-since WHEN",
		Short: "Try failed jobs again, each with one new task",
		Long: `Try again the jobs that failed since a time because their task could not be created;
with --all, also those that failed for any other reason. WHEN is a time such as
2026-01-05T10:20:00Z, or how long ago, such as 2h.`,
		Example: "  leadgenctl queue retry --failed-since 2h --dry-run\n  leadgenctl queue retry --failed-since 2026-01-05T10:20:00Z --all --yes",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runRetry(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.since, "failed-since", "", "jobs that failed since then (required)")
	cmd.Flags().BoolVar(&o.all, "all", false, "whatever they failed of")
	o.dispatch.Add(cmd)
	o.write.Add(cmd)
	if err := cmd.MarkFlagRequired("failed-since"); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}

func runRetry(ctx context.Context, o retryOptions) error {
	since, err := parseSince(o.since, time.Now())
	if err != nil {
		return err
	}
	if err := o.dispatch.Apply(o.f); err != nil {
		return err
	}
	m, _, done, err := connect(ctx, o.f)
	if err != nil {
		return err
	}
	defer done()
	ro := queue.RetryOptions{FailedSince: since, All: o.all, AssumeDead: o.dispatch.AssumeDead, DryRun: true}
	n, _, err := m.Retry(ctx, ro)
	if err != nil {
		return cmdutil.ExplainQueue(err)
	}
	v := retryView{DryRun: o.write.DryRun, JobsRetried: n}
	if !o.write.DryRun && n > 0 {
		if err := o.write.Confirm(ctx, o.f.IO, "Retry "+cmdutil.Count(n)+" failed jobs?"); err != nil {
			return err
		}
		var d queue.Dispatched
		ro.DryRun = false
		v.JobsRetried, d, err = m.Retry(ctx, ro)
		v.Dispatched = cmdutil.DispatchedOf(d)
		if err != nil && !partly(err) {
			return cmdutil.ExplainQueue(err)
		}
	}
	if printed := o.f.Print(v, func(w io.Writer) error {
		name := "Jobs retried"
		if v.DryRun {
			name = "Jobs that would be retried"
		}
		return o.f.Fields(w, append([][2]string{{name, cmdutil.Count(v.JobsRetried)}}, v.Dispatched.Fields()...)...)
	}); printed != nil {
		return printed
	}
	if err == nil {
		err = cmdutil.Failed(v.Dispatched.JobsFailed)
	}
	return cmdutil.ExplainQueue(err)
}

// parseSince reads a time, or how long ago.
func parseSince(s string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(s); err == nil {
		if d < 0 {
			return now, exit.Usagef("--failed-since %q lies in the future", s)
		}
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			if t.After(now) {
				return now, exit.Usagef("--failed-since %q lies in the future", s)
			}
			return t, nil
		}
	}
	return now, exit.Usagef("--failed-since %q is neither a time such as 2026-01-05T10:20:00Z nor a duration such as 2h", s)
}

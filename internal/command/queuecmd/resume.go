package queuecmd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/queue"
)

type resumeOptions struct {
	f      *cmdutil.Factory
	pace   cmdutil.ResumeFlags
	cont   bool
	dryRun bool
}

type resumeView struct {
	DryRun      bool  `json:"dry_run,omitempty"`
	JobsResumed int64 `json:"jobs_resumed"`
	JobsLeft    int64 `json:"jobs_left"` // still paused
	cmdutil.Dispatched
	Findings []queue.Finding `json:"findings,omitempty"`
}

func newResume(f *cmdutil.Factory) *cobra.Command {
	o := resumeOptions{f: f}
	cmd := &cobra.Command{
		Use:   "resume",
		Short: "Resume the jobs that are still paused under a closed breaker",
		Long: `Resume the jobs that are still paused under a closed breaker, and give each one task.

"breaker close" does this by itself. This command is for what was left: jobs that
were paused by a worker behind its back, or a paced resume that was interrupted,
which --continue goes on with at its own pace. Under an open breaker it is refused.`,
		Example: "  leadgenctl queue resume\n  leadgenctl queue resume --continue\n  leadgenctl queue resume --canary 10 --canary-wait 30s --rate 50",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runResume(cmd.Context(), o) },
	}
	o.pace.Add(cmd)
	cmd.Flags().BoolVar(&o.cont, "continue", false, "go on with a paced resume that was interrupted")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "show what would change, and change nothing")
	return cmd
}

func runResume(ctx context.Context, o resumeOptions) error {
	ro, err := o.pace.Options(o.f)
	if err != nil {
		return err
	}
	ro.Continue = o.cont
	if err := ro.Validate(); err != nil {
		return exit.Usagef("%w", err)
	}
	m, _, done, err := connect(ctx, o.f)
	if err != nil {
		return err
	}
	defer done()
	if o.dryRun {
		r, err := m.Plan(ctx)
		if err != nil {
			return cmdutil.ExplainQueue(err)
		}
		counts, err := m.Counts(ctx)
		switch {
		case err != nil:
			return cmdutil.ExplainQueue(err)
		case r.Transition.State == breaker.Open:
			return cmdutil.ExplainQueue(fmt.Errorf("resume the jobs: %w", queue.ErrBreakerOpen))
		}
		v := resumeView{DryRun: true, JobsResumed: counts.Of(queue.Paused), Dispatched: cmdutil.DispatchedOf(r.Dispatched), Findings: r.Findings}
		return o.f.Print(v, func(w io.Writer) error { return v.write(o.f, w) })
	}
	r, err := m.ResumeAllJobsOnBreakerClose(ctx, ro)
	var partial *queue.PartialError
	if err != nil && !errors.As(err, &partial) {
		return cmdutil.ExplainQueue(err)
	}
	done()
	warn(o.f, r.Findings)
	v := resumeView{JobsResumed: r.JobsResumed, JobsLeft: r.JobsLeft, Dispatched: cmdutil.DispatchedOf(r.Dispatched), Findings: r.Findings}
	if printed := o.f.Print(v, func(w io.Writer) error { return v.write(o.f, w) }); printed != nil {
		return printed
	}
	if err == nil {
		err = cmdutil.Failed(r.JobsFailed)
	}
	return cmdutil.ExplainQueue(err)
}

func (v resumeView) write(f *cmdutil.Factory, w io.Writer) error {
	resumed := "Jobs resumed"
	if v.DryRun {
		resumed = "Jobs that would be resumed"
	}
	fields := append([][2]string{{resumed, cmdutil.Count(v.JobsResumed)}, {"Jobs still paused", cmdutil.Count(v.JobsLeft)}}, v.Dispatched.Fields()...)
	return f.Fields(w, fields...)
}

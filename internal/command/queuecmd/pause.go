package queuecmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/queue"
)

type pauseOptions struct {
	f        *cmdutil.Factory
	reason   string
	withdraw bool
	dryRun   bool
}

type pauseView struct {
	DryRun            bool            `json:"dry_run,omitempty"`
	State             breaker.State   `json:"state"`
	Epoch             int64           `json:"epoch"`
	Opened            bool            `json:"opened"` // this command opened the breaker
	JobsPaused        int64           `json:"jobs_paused"`
	MessagesWithdrawn *int64          `json:"messages_withdrawn,omitempty"`
	Findings          []queue.Finding `json:"findings,omitempty"`
}

func newPause(f *cmdutil.Factory) *cobra.Command {
	o := pauseOptions{f: f}
	cmd := &cobra.Command{
		Use:   "pause --reason REASON",
		Short: "Pause every active job; the breaker is opened where it is closed",
		Long: `Pause every PENDING and PROCESSING job.

Jobs are paused while the breaker is open and at no other time, so a closed breaker
is opened. With --withdraw the messages of the paused jobs are taken off the queue
as well (and kept): workers that do not look at the breaker cannot run them then.`,
		Example: "  leadgenctl queue pause --reason \"Apollo maintenance\"\n  leadgenctl queue pause --reason drill --withdraw",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runPause(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.reason, "reason", "", "why; kept on the jobs (required)")
	cmd.Flags().BoolVar(&o.withdraw, "withdraw", false, "take the paused jobs' messages off the queue")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "show what would change, and change nothing")
	if err := cmd.MarkFlagRequired("reason"); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}

func runPause(ctx context.Context, o pauseOptions) error {
	if strings.TrimSpace(o.reason) == "" {
		return exit.Usagef("--reason is empty; say why the jobs are paused")
	}
	m, b, done, err := connect(ctx, o.f)
	if err != nil {
		return err
	}
	defer done()
	if o.dryRun {
		return o.plan(ctx, m, b)
	}
	r, err := m.Open(ctx, breaker.OpenOptions{Reason: o.reason})
	var partial *queue.PartialError
	if err != nil && !errors.As(err, &partial) {
		return cmdutil.ExplainQueue(err)
	}
	v := pauseView{State: r.Transition.State, Epoch: r.Transition.Epoch, Opened: r.Transition.Changed, JobsPaused: r.JobsPaused, Findings: r.Findings}
	warn(o.f, r.Findings)
	if o.withdraw && err == nil {
		var n int64
		n, err = m.WithdrawPaused(ctx)
		v.MessagesWithdrawn = &n
		if err != nil {
			err = exit.Partialf("the jobs are paused, but their messages were not all withdrawn: %w", err)
		}
	}
	if printed := o.f.Print(v, v.write); printed != nil {
		return printed
	}
	return cmdutil.ExplainQueue(err)
}

func (o pauseOptions) plan(ctx context.Context, m *queue.Manager, b *breaker.Breaker) error {
	st, err := b.State(ctx)
	if err != nil {
		return cmdutil.ExplainQueue(err)
	}
	counts, err := m.Counts(ctx)
	if err != nil {
		return cmdutil.ExplainQueue(err)
	}
	v := pauseView{DryRun: true, State: st.State, Epoch: st.Epoch, Opened: st.State != breaker.Open, JobsPaused: counts.Active()}
	var unknown error
	if o.withdraw {
		n, err := m.WithdrawablePaused(ctx)
		if err != nil {
			unknown = exit.Partialf("the messages could not be counted: %w", cmdutil.Explain(err))
		} else {
			v.MessagesWithdrawn = &n
		}
	}
	if err := o.f.Print(v, v.write); err != nil {
		return err
	}
	return unknown
}

func (v pauseView) write(w io.Writer) error {
	would, opened := "", ""
	if v.DryRun {
		would = "would be "
	}
	if v.Opened {
		opened = "; the breaker " + would + "opened"
		if !v.DryRun {
			opened = fmt.Sprintf("; the breaker was opened (epoch %d)", v.Epoch)
		}
	}
	withdrawn := ""
	if v.MessagesWithdrawn != nil {
		withdrawn = "; " + cmdutil.Plural(*v.MessagesWithdrawn, "message", "messages") + " " + would + "withdrawn from the queue"
	}
	_, err := fmt.Fprintf(w, "%s %spaused%s%s\n", cmdutil.Plural(v.JobsPaused, "job", "jobs"), would, withdrawn, opened)
	return err
}

// Package reconcilecmd is `leadgenctl reconcile`: it finishes or adopts what Redis,
// PostgreSQL and the broker do not agree on.
package reconcilecmd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/queue"
)

type options struct {
	f        *cmdutil.Factory
	dryRun   bool
	dispatch cmdutil.DispatchFlags
}

type view struct {
	DryRun      bool            `json:"dry_run,omitempty"`
	State       breaker.State   `json:"state"`
	Epoch       int64           `json:"epoch"`
	Findings    []queue.Finding `json:"findings"`
	JobsPaused  int64           `json:"jobs_paused"`
	JobsResumed int64           `json:"jobs_resumed"`
	cmdutil.Dispatched
}

// New returns the command.
func New(f *cmdutil.Factory) *cobra.Command {
	o := options{f: f}
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Finish or adopt what Redis, PostgreSQL and the broker do not agree on",
		Long: `Finish or adopt what Redis, PostgreSQL and the broker do not agree on: a command that
died half-way, a Python worker that opened or closed the breaker, a Redis that lost
the key, tasks that wait in the outbox or were lost with the broker.

It may be run at any moment by anyone, and a second run finds nothing.`,
		Example: "  leadgenctl reconcile --dry-run\n  leadgenctl reconcile -o json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "show what differs and what would be done, and change nothing")
	o.dispatch.Add(cmd)
	return cmd
}

func run(ctx context.Context, o options) error {
	if err := o.dispatch.Apply(o.f); err != nil {
		return err
	}
	m, _, err := o.f.ConnectQueue(ctx, nil)
	if err != nil {
		return err
	}
	do := func(ctx context.Context) (queue.Result, error) {
		return m.ReconcileWith(ctx, queue.ReconcileOptions{AssumeDead: o.dispatch.AssumeDead})
	}
	if o.dryRun {
		do = m.Plan
	}
	r, err := do(ctx)
	var partial *queue.PartialError
	if err != nil && !errors.As(err, &partial) {
		return cmdutil.ExplainQueue(err)
	}
	v := view{DryRun: o.dryRun, State: r.Transition.State, Epoch: r.Transition.Epoch, Findings: r.Findings,
		JobsPaused: r.JobsPaused, JobsResumed: r.JobsResumed, Dispatched: cmdutil.DispatchedOf(r.Dispatched)}
	if v.Findings == nil {
		v.Findings = []queue.Finding{}
	}
	for _, found := range r.Findings {
		if found.Loud {
			o.f.IO.Warnf("%s; %s", found.Detail, found.Action)
		}
	}
	if printed := o.f.Print(v, func(w io.Writer) error { return write(o.f, w, v, err == nil) }); printed != nil {
		return printed
	}
	if err == nil {
		err = cmdutil.Failed(r.JobsFailed)
	}
	return cmdutil.ExplainQueue(err)
}

func write(f *cmdutil.Factory, w io.Writer, v view, whole bool) error {
	if len(v.Findings) == 0 {
		if !whole {
			return nil // the error says what is left
		}
		_, err := fmt.Fprintf(w, "Redis, PostgreSQL and the broker agree: the breaker is %s (epoch %d)\n", v.State, v.Epoch)
		return err
	}
	rows := make([][]string, len(v.Findings))
	for i, found := range v.Findings {
		rows[i] = []string{string(found.Kind), found.Detail, found.Action}
	}
	return f.Table(w, []string{"what", "detail", "action"}, rows)
}

// Package checkcmd is `leadgenctl check-consistency`.
package checkcmd

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/consistency/render"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

type options struct {
	factory *cmdutil.Factory
	outputs []string
	failOn  string

	baseline      string // a file of known findings
	writeBaseline string
	fix           bool
	zombies       string
	write         cmdutil.WriteFlags
	run           consistency.Options
}

// New returns the command.
func New(f *cmdutil.Factory) *cobra.Command {
	o := &options{factory: f}
	cmd := &cobra.Command{
		Use:   "check-consistency",
		Short: "Look for what Redis, PostgreSQL and the broker do not agree on",
		Long: `Look for what Redis, PostgreSQL and the broker do not agree on, and for what makes
the app fail. Reads only.

Exit code 0: nothing found that --fail-on names. 1: something was found. 3: some
check could not run, whatever the others found; the report says which, and why.`,
		Example: `  leadgenctl check-consistency
  leadgenctl check-consistency -o json --fail-on=warning
  leadgenctl check-consistency --only 'LGC*' --skip LGC002
  leadgenctl check-consistency -o table -o json=report.json
  leadgenctl check-consistency explain LGB003`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runCheck(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&o.outputs, "output", "o", []string{"table"},
		"output format, with =FILE to write it there; may be repeated ("+strings.Join(render.Formats(), ", ")+")")
	flags.StringVar(&o.failOn, "fail-on", string(consistency.FailOnError), "what makes the exit code 1: findings of severity error, warning (and error), or never")
	flags.StringSliceVar(&o.run.Only, "only", nil, "run these checks only: ids, families or patterns such as 'LGQ*'")
	flags.StringSliceVar(&o.run.Skip, "skip", nil, "leave these checks out")
	flags.IntVar(&o.run.MaxSamples, "max-samples", 5, "how many rows or keys are named per check")
	flags.DurationVar(&o.run.StatementTimeout, "statement-timeout", time.Minute, "how long one PostgreSQL statement may take")
	flags.DurationVar(&o.run.Settle, "settle", time.Second, "how long to wait before looking again at what may be work in flight")
	flags.DurationVar(&o.run.MaxOpen, "max-open", 24*time.Hour, "how long the breaker may be open before that is a finding")
	flags.DurationVar(&o.run.MaxPending, "max-pending", 15*time.Minute, "how long a pending job may be without a task")
	flags.DurationVar(&o.run.TaskTimeLimit, "task-time-limit", 30*time.Minute, "the hard time limit of the app's tasks")
	flags.DurationVar(&o.run.Visibility, "visibility-timeout", time.Hour, "Celery's visibility_timeout")
	flags.DurationVar(&o.run.MaxLag, "max-lag", 30*time.Second, "how far replicas may lag")
	flags.DurationVar(&o.run.MaxClock, "max-clock-difference", 2*time.Second, "by how much clocks may differ")
	flags.StringVar(&o.baseline, "baseline", "", "file of known findings, which do not fail the run")
	flags.StringVar(&o.writeBaseline, "write-baseline", "", "write all findings to this file as known, and exit with 0")
	flags.BoolVar(&o.fix, "fix", false, "mend what can be mended safely, each check with its own confirmation, and look again")
	flags.StringVar(&o.zombies, "zombies", "", "with --fix: what to do with jobs that nobody works on: requeue or fail")
	o.write.Add(cmd)
	cmd.AddCommand(newList(f), newExplain(f))
	return cmd
}

func runCheck(ctx context.Context, o *options) error {
	f := o.factory
	outputs, err := parseOutputs(o.outputs)
	if err != nil {
		return err
	}
	if !consistency.FailOn(o.failOn).Valid() {
		return exit.Usagef("--fail-on is error, warning or never, not %q", o.failOn)
	}
	if o.run.MaxSamples < 1 || o.run.StatementTimeout <= 0 || o.run.Settle <= 0 {
		return exit.Usagef("--max-samples, --statement-timeout and --settle must be positive")
	}
	known, err := o.readBaseline()
	if err != nil {
		return err
	}
	if err := connect(ctx, f, &o.run); err != nil {
		return err
	}
	if err := o.validateFix(); err != nil {
		return err
	}
	progress := f.Progress("checks", int64(len(consistency.Catalogue())))
	o.run.Progress = func(done, total int) { progress.Set(int64(done), int64(total)) }
	report, err := consistency.Run(ctx, o.run)
	progress.Done()
	var pattern *consistency.PatternError
	if errors.As(err, &pattern) {
		return exit.Usagef("%w", pattern)
	}
	if err != nil {
		return err
	}
	if o.fix {
		if report, err = o.mend(ctx, report); err != nil {
			return err
		}
	}
	failOn := consistency.FailOn(o.failOn)
	if known != nil {
		o.apply(known, report)
	}
	if err := writeAll(f, outputs, report, render.Options{Color: f.IO.Color(), FailOn: failOn}); err != nil {
		return err
	}
	if o.writeBaseline != "" {
		return o.saveBaseline(report, known)
	}
	return verdict(report, failOn)
}

// verdict is the exit code: what could not be checked comes before what was found.
func verdict(r *consistency.Report, failOn consistency.FailOn) error {
	switch {
	case r.Summary.Error > 0:
		return exit.Silent(exit.Unreachable)
	case r.Failed(failOn) > 0:
		return exit.Silent(exit.Findings)
	}
	return nil
}

// connect tries both servers at once. One that is away makes its checks errors; bad settings end the run.
func connect(ctx context.Context, f *cmdutil.Factory, o *consistency.Options) error {
	c, err := f.Config()
	if err != nil {
		return err
	}
	o.Services, o.Timeout = c.Services, c.Timeout
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.Redis, o.RedisErr = f.Redis(ctx)
	}()
	o.Pool, o.PostgresErr = f.Postgres(ctx)
	<-done
	b, err := f.Broker()
	if err != nil {
		return err
	}
	o.Broker, _ = b.(*celery.Redis)
	for _, err := range []error{o.RedisErr, o.PostgresErr} {
		if err != nil && exit.Code(err) != exit.Unreachable {
			return err
		}
	}
	return nil
}

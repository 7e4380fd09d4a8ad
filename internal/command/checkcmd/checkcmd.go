// Package checkcmd is `leadgenctl check-consistency`.
package checkcmd

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/consistency/render"
)

type options struct {
	factory *cmdutil.Factory
	outputs []string
	checks  cmdutil.CheckFlags

	baseline      string // a file of known findings
	writeBaseline string
	fix           bool
	zombies       string
	shared        *bool // whether the fix that several checks share is wanted; nil before it was asked for
	write         cmdutil.WriteFlags
}

// New returns the command.
func New(f *cmdutil.Factory) *cobra.Command {
	o := &options{factory: f}
	cmd := &cobra.Command{
		Use:   "check-consistency",
		Short: "Look for what Redis, PostgreSQL and the broker do not agree on",
		Long: `Look for what Redis, PostgreSQL and the broker do not agree on, and for what makes
the app fail. Reads only; where the role may, it asks the workers too.

Exit code 0: nothing found that --fail-on names. 1: something was found. 3: some
check could not run, whatever the others found; the report says which, and why.
2: also a report that cannot be written; the other outputs are written all the same.
5: --fix could not mend everything that it tried; the report is of a run after it.

--fix logs the rows as they were: leadgenctl snapshot list shows each fix, and
leadgenctl snapshot restore takes it back. What brings Redis, PostgreSQL and the jobs
into step is asked for once, with all that it would do; of that the breaker's key is
kept, and jobs move as in any transition: leadgenctl breaker open pauses them again.`,
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
	o.checks.Add(cmd)
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
	if err := o.apart(outputs); err != nil {
		return err
	}
	if err := o.checks.Validate(); err != nil {
		return err
	}
	known, older, err := o.readBaselines()
	if err != nil {
		return err
	}
	if err := o.tryFiles(outputs); err != nil {
		return err
	}
	if err := o.checks.Connect(ctx, f); err != nil {
		return err
	}
	if err := o.validateFix(); err != nil {
		return err
	}
	progress := f.Progress("checks", int64(len(consistency.Catalogue())))
	o.checks.Run.Progress = func(done, total int) { progress.Set(int64(done), int64(total)) }
	report, err := consistency.Run(ctx, o.checks.Run)
	progress.Done()
	if err != nil {
		return err
	}
	var failed error // to mend something
	if o.fix {
		if report, failed, err = o.mend(ctx, report); err != nil {
			return err
		}
	}
	failOn := consistency.FailOn(o.checks.FailOn)
	o.apply(known, report)
	// Standard output comes last: who reads it may go away, and end this process with it.
	err = errors.Join(writeFiles(outputs, report, failOn), o.saveBaseline(report, older), writeStdout(f, outputs, report, failOn))
	switch {
	case err != nil:
		return err
	case failed != nil:
		return failed
	case o.writeBaseline != "":
		return nil
	}
	return cmdutil.CheckVerdict(report, failOn)
}

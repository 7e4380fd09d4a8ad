package checkcmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/exit"
)

func (o *options) validateFix() error {
	switch {
	case o.zombies != "" && o.zombies != string(consistency.ZombiesRequeue) && o.zombies != string(consistency.ZombiesFail):
		return exit.Usagef("--zombies is requeue or fail, not %q", o.zombies)
	case !o.fix && (o.zombies != "" || o.write.DryRun || o.write.Yes):
		return exit.Usagef("--zombies, --dry-run and --yes belong to --fix")
	case o.fix && !o.write.Yes && !o.write.DryRun && !o.factory.IO.CanPrompt():
		return exit.Usagef("--yes is required when there is no terminal to ask on: --fix changes data")
	}
	return nil
}

// mend mends each finding that can be, and returns the report of a further run. A fix that
// fails stops no other: failed is what went wrong, to be told after the report.
func (o *options) mend(ctx context.Context, r *consistency.Report) (after *consistency.Report, failed, err error) {
	f, tried := o.factory, 0
	var errs []error
	for _, c := range r.Checks {
		if c.Status != consistency.Fail || !c.Fixable {
			continue
		}
		wanted, err := o.wanted(ctx, c)
		if err == nil && wanted {
			tried++
			err = o.mendOne(ctx, c)
		}
		switch {
		case ctx.Err() != nil:
			return nil, nil, ctx.Err()
		case err != nil:
			f.IO.Warnf("%s: not mended, or in part: %v", c.ID, err)
			errs = append(errs, err)
		}
	}
	failed = notMended(errs)
	if tried == 0 {
		return r, failed, nil
	}
	after, err = consistency.Run(ctx, o.checks.Run)
	return after, failed, err
}

// wanted says whether a finding is to be mended: somebody says so, and it is no dry run.
func (o *options) wanted(ctx context.Context, c consistency.Result) (bool, error) {
	f, check := o.factory, consistency.Find(c.ID)
	if c.ID == "LGQ010" && o.zombies == "" {
		f.IO.Warnf("%s: say what shall become of these jobs: --zombies=requeue or --zombies=fail", c.ID)
		return false, nil
	}
	if o.write.DryRun {
		return false, o.preview(ctx, c, check)
	}
	err := o.write.Confirm(ctx, f.IO, fmt.Sprintf("%s %s: %d. Shall I %s?", c.ID, c.Title, c.Count, check.FixDoes()))
	if exit.Code(err) == exit.Refused { // the next one may be wanted
		f.IO.Infof("%s: left as it is", c.ID)
		return false, nil
	}
	return err == nil, err
}

// preview says what would be done, and to which rows.
func (o *options) preview(ctx context.Context, c consistency.Result, check *consistency.Check) error {
	io := o.factory.IO
	io.Infof("%s: would %s (%d)", c.ID, check.FixDoes(), c.Count)
	lines, err := consistency.Preview(ctx, o.checks.Run, check)
	if err != nil {
		return err
	}
	if lines == nil {
		lines = c.Samples
	}
	for _, l := range lines {
		io.Infof("  %s", l)
	}
	if left := c.Count - int64(len(lines)); left > 0 {
		io.Infof("  and %d more (--max-samples)", left)
	}
	return nil
}

func (o *options) mendOne(ctx context.Context, c consistency.Result) error {
	f := o.factory
	m, _, err := f.ConnectQueue(ctx, nil)
	if err != nil {
		return err
	}
	config, err := f.Config()
	if err != nil {
		return err
	}
	progress := f.Progress("mending "+c.ID, c.Count)
	done := int64(0)
	n, err := consistency.Fix(ctx, consistency.FixOptions{Options: o.checks.Run, Manager: m, Actor: config.Actor, Zombies: consistency.Zombies(o.zombies),
		Mended: func(n int64) { done += n; progress.Set(min(done, c.Count), c.Count) }}, c.ID)
	progress.Done()
	if n > 0 {
		f.IO.Infof("%s: mended (%d)", c.ID, n)
	}
	return err
}

// notMended is the exit code of fixes that failed: something was done in part, whatever
// the reason is.
func notMended(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	all := errors.Join(errs...)
	failed := exit.Partialf("not everything was mended: %w", errs[0])
	if len(errs) > 1 {
		failed = exit.Partialf("%d checks were not mended, or in part; the first: %w", len(errs), errs[0])
	}
	var pe *pgconn.PgError
	switch {
	case errors.Is(all, consistency.ErrMayBeHeld):
		return exit.WithHint(failed, "see who does not answer with: leadgenctl workers ls; restart those workers, and run this again")
	case errors.As(all, &pe) && pe.Code == "42501":
		return exit.WithHint(failed, "grant the right to this role, or use another (README, Least privilege); then run this again")
	}
	if hint := exit.Hint(cmdutil.ExplainQueue(errs[0])); hint != "" {
		return exit.WithHint(failed, "%s", hint)
	}
	return exit.WithHint(failed, "the report says what is left; run this again when the cause is gone")
}

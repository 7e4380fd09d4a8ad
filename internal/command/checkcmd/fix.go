package checkcmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
		wanted, err := o.wanted(ctx, r, c)
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

// wanted says whether a finding is to be mended: somebody says so, and it is no dry run. A
// fix that several checks share is asked for once.
func (o *options) wanted(ctx context.Context, r *consistency.Report, c consistency.Result) (bool, error) {
	f, check := o.factory, consistency.Find(c.ID)
	if c.ID == "LGQ010" && o.zombies == "" {
		f.IO.Warnf("%s: say what shall become of these jobs: --zombies=requeue or --zombies=fail", c.ID)
		return false, nil
	}
	what := fmt.Sprintf("%s %s: %d", c.ID, c.Title, c.Count)
	if check.FixIsShared() {
		if o.shared != nil {
			return *o.shared, nil
		}
		what = strings.Join(sharing(r), ", ")
	}
	if o.write.DryRun || check.FixIsShared() {
		f.IO.Infof("%s; would %s", what, check.FixDoes())
		if err := o.preview(ctx, c, check); err != nil {
			return false, err
		}
	}
	yes, err := o.confirmed(ctx, fmt.Sprintf("%s. Shall I %s?", what, check.FixDoes()))
	if check.FixIsShared() && err == nil {
		o.shared = &yes
	}
	if !yes && err == nil && !o.write.DryRun {
		f.IO.Infof("%s; left as it is", what)
	}
	return yes, err
}

// sharing are the findings that the shared fix mends.
func sharing(r *consistency.Report) (ids []string) {
	for _, c := range r.Checks {
		if c.Status == consistency.Fail && consistency.Find(c.ID).FixIsShared() {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// confirmed asks; somebody may want the next fix where this one is not wanted.
func (o *options) confirmed(ctx context.Context, question string) (bool, error) {
	if o.write.DryRun {
		return false, nil
	}
	err := o.write.Confirm(ctx, o.factory.IO, question)
	if exit.Code(err) == exit.Refused {
		return false, nil
	}
	return err == nil, err
}

// preview says what would become of which rows, or what else would be done.
func (o *options) preview(ctx context.Context, c consistency.Result, check *consistency.Check) error {
	m, _, err := o.factory.ConnectQueue(ctx, nil)
	if err != nil {
		return err
	}
	lines, err := consistency.Preview(ctx, consistency.FixOptions{Options: o.checks.Run, Manager: m}, check)
	if err != nil {
		return err
	}
	shown := lines
	if lines == nil {
		shown = c.Samples
	}
	for _, l := range shown {
		o.factory.IO.Infof("  %s", l)
	}
	if left := c.Count - int64(len(shown)); left > 0 && !check.FixIsShared() {
		o.factory.IO.Infof("  and %d more (--max-samples)", left)
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

package checkcmd

import (
	"context"
	"fmt"

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

// mend mends each finding that can be, and returns the report of a further run.
func (o *options) mend(ctx context.Context, r *consistency.Report) (*consistency.Report, error) {
	f, mended := o.factory, 0
	for _, c := range r.Checks {
		if c.Status != consistency.Fail || !c.Fixable {
			continue
		}
		n, err := o.mendOne(ctx, c)
		if exit.Code(err) == exit.Refused { // not confirmed: the next one may be
			f.IO.Infof("%s: left as it is", c.ID)
			continue
		}
		if err != nil {
			return nil, cmdutil.ExplainQueue(err)
		}
		if n > 0 {
			f.IO.Infof("%s: mended (%d)", c.ID, n)
			mended++
		}
	}
	if mended == 0 {
		return r, nil
	}
	return consistency.Run(ctx, o.checks.Run)
}

func (o *options) mendOne(ctx context.Context, c consistency.Result) (int64, error) {
	f, check := o.factory, consistency.Find(c.ID)
	if c.ID == "LGQ010" && o.zombies == "" {
		f.IO.Warnf("%s: say what shall become of these jobs: --zombies=requeue or --zombies=fail", c.ID)
		return 0, nil
	}
	if o.write.DryRun {
		f.IO.Infof("%s: would %s (%d)", c.ID, check.FixDoes(), c.Count)
		return 0, nil
	}
	if err := o.write.Confirm(f.IO, fmt.Sprintf("%s %s: %d. Shall I %s?", c.ID, c.Title, c.Count, check.FixDoes())); err != nil {
		return 0, err
	}
	m, _, err := f.ConnectQueue(ctx, nil)
	if err != nil {
		return 0, err
	}
	config, err := f.Config()
	if err != nil {
		return 0, err
	}
	return consistency.Fix(ctx, consistency.FixOptions{Options: o.checks.Run, Manager: m, Actor: config.Actor, Zombies: consistency.Zombies(o.zombies)}, c.ID)
}

package checkcmd

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/internal/output"
)

// readBaseline returns nil without --baseline; for --write-baseline, what the file
// held before, so that reasons and dates are kept.
func (o *options) readBaseline() (*consistency.Baseline, error) {
	name := o.baseline
	if name == "" {
		name = o.writeBaseline
	}
	if name == "" {
		return nil, nil
	}
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) && o.baseline == "" {
		return nil, nil
	}
	return cmdutil.ReadBaseline(name)
}

func (o *options) apply(known *consistency.Baseline, r *consistency.Report) {
	if o.baseline == "" {
		return
	}
	expired, resolved := known.Apply(r, time.Now())
	for _, k := range expired {
		o.factory.IO.Warnf("the baseline's entry for %s expired on %s: it counts again", k.Check, k.Expires)
	}
	for _, k := range resolved {
		o.factory.IO.Warnf("the baseline's entry for %s is not found any more: take it out", k.Check)
	}
}

func (o *options) saveBaseline(r *consistency.Report, older *consistency.Baseline) error {
	if r.Summary.Error > 0 {
		return exit.WithHint(exit.Unreachablef("the baseline was not written: %d checks could not run", r.Summary.Error), "the report above says why")
	}
	if err := output.WriteFile(o.writeBaseline, consistency.NewBaseline(r, older), 0o644); err != nil {
		return exit.Usagef("write the baseline: %w", err)
	}
	o.factory.IO.Infof("%d findings are known now: %s", r.Summary.Fail, o.writeBaseline)
	return nil
}

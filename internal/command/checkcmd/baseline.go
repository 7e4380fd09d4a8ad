package checkcmd

import (
	"os"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/internal/output"
)

// readBaselines returns what --baseline knows, and what the file of --write-baseline held
// before, whose reasons and other entries are kept; nil where there is none.
func (o *options) readBaselines() (known, older *consistency.Baseline, err error) {
	if o.baseline != "" {
		if known, err = cmdutil.ReadBaseline(o.baseline); err != nil {
			return nil, nil, err
		}
	}
	if info, err := os.Stat(o.writeBaseline); err != nil || !info.Mode().IsRegular() { // nothing to keep
		return known, known, nil
	}
	older, err = cmdutil.ReadBaseline(o.writeBaseline)
	return known, older, err
}

func (o *options) apply(known *consistency.Baseline, r *consistency.Report) {
	if known == nil {
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
	if o.writeBaseline == "" {
		return nil
	}
	if r.Summary.Error > 0 {
		return exit.WithHint(exit.Unreachablef("the baseline was not written: %d checks could not run", r.Summary.Error), "the report says why")
	}
	if err := output.WriteFile(o.writeBaseline, consistency.NewBaseline(r, older, time.Now())); err != nil {
		return exit.Usagef("write the baseline: %w", err)
	}
	o.factory.IO.Infof("%d findings are known now: %s", r.Summary.Fail, o.writeBaseline)
	return nil
}

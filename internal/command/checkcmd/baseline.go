package checkcmd

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/exit"
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
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && o.baseline == "" {
		return nil, nil
	}
	if err != nil {
		return nil, exit.Usagef("read the baseline: %w", err)
	}
	b, err := consistency.ParseBaseline(data)
	if err != nil {
		return nil, exit.Usagef("baseline %s: %w", name, err)
	}
	return b, nil
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
	if err := writeFile(o.writeBaseline, consistency.NewBaseline(r, older)); err != nil {
		return exit.Usagef("write the baseline: %w", err)
	}
	o.factory.IO.Infof("%d findings are known now: %s", r.Summary.Fail, o.writeBaseline)
	return nil
}

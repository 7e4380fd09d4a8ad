package consistency

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxLooks bounds how often a suspicion is looked at again.
const maxLooks = 3

// Run runs the checks that the options select and returns what they found. Its only
// errors are a *PatternError and that of a cancelled ctx: whatever else goes wrong is
// in the report, as checks that could not run.
func Run(ctx context.Context, o Options) (*Report, error) {
	o.fill()
	all := Catalogue()
	if err := ValidateSelection(o.Only, o.Skip); err != nil {
		return nil, err
	}
	r := &run{options: o, results: make(map[string]*Result)}
	var selected []*Check
	for _, c := range all {
		if len(o.Only) > 0 && !matches(c, o.Only) {
			continue
		}
		res := &Result{ID: c.ID, Family: c.Family, Title: c.Title, Severity: c.Severity, Remedy: c.Remedy, Fixable: c.Fixable(), Samples: []string{}}
		r.order, r.results[c.ID] = append(r.order, res), res
		if matches(c, o.Skip) {
			res.Status, res.Message = Skip, "left out by --skip"
			continue
		}
		selected = append(selected, c)
	}
	started := time.Now()
	r.total = len(selected)
	r.looks(ctx, selected)
	// The cause may be anything: signal.NotifyContext names the signal there.
	if err := ctx.Err(); errors.Is(err, context.Canceled) {
		return nil, err
	}
	report := &Report{StartedAt: started.UTC(), DurationMS: milliseconds(time.Since(started)), Version: o.Version, Checks: []Result{}}
	for _, res := range r.order {
		report.Checks = append(report.Checks, *res)
	}
	report.summarize()
	return report, nil
}

// run is one run in the making.
type run struct {
	options Options
	order   []*Result
	results map[string]*Result
	total   int
	done    atomic.Int64

	mu       sync.Mutex
	subjects []string // of the last finding, for a fix
}

// looks looks once at everything, and again at what two looks must agree on.
func (r *run) looks(ctx context.Context, checks []*Check) {
	suspects := r.look(ctx, checks, nil)
	for n := 1; len(suspects) > 0 && n < maxLooks; n++ {
		select {
		case <-time.After(r.options.Settle):
		case <-ctx.Done():
		}
		var again []*Check
		for _, c := range checks {
			if _, ok := suspects[c.ID]; ok {
				again = append(again, c)
			}
		}
		suspects = r.look(ctx, again, suspects)
	}
	for id := range suspects { // each look found something else: work in flight
		if res := r.results[id]; res.Status == Fail {
			res.Status, res.Count, res.Samples = Pass, 0, []string{}
		}
	}
}

// look runs checks on one snapshot, those of each server side by side with the
// others', and returns the outcomes that the next look must confirm.
func (r *run) look(ctx context.Context, checks []*Check, before map[string]outcome) map[string]outcome {
	l := newLook(ctx, &r.options, checks)
	defer l.close()
	var (
		wg       sync.WaitGroup
		mu       sync.Mutex
		suspects = make(map[string]outcome)
	)
	for _, lane := range lanes(checks) {
		wg.Go(func() {
			for _, c := range lane {
				o, suspicious := r.check(ctx, l, c, before)
				if suspicious {
					mu.Lock()
					suspects[c.ID] = o
					mu.Unlock()
				}
				if before == nil {
					r.options.Progress(int(r.done.Add(1)), r.total)
				}
			}
		})
	}
	wg.Wait()
	return suspects
}

// lanes splits the checks: one connection to PostgreSQL holds the snapshot, so its checks follow each other.
func lanes(checks []*Check) [][]*Check {
	var byStore [3][]*Check
	for _, c := range checks {
		switch {
		case c.needs&broker != 0:
			byStore[2] = append(byStore[2], c)
		case c.needs&postgres != 0:
			byStore[0] = append(byStore[0], c)
		default:
			byStore[1] = append(byStore[1], c)
		}
	}
	return byStore[:]
}

// check runs one check and files its result.
func (r *run) check(ctx context.Context, l *look, c *Check, before map[string]outcome) (outcome, bool) {
	res, started := r.results[c.ID], time.Now()
	o, err := c.inspect(ctx, l, c)
	res.DurationMS += milliseconds(time.Since(started))
	suspicious := false
	switch {
	case err != nil:
		res.Status, res.Message, res.Count, res.Samples, res.Subjects = Errored, plain(err), 0, []string{}, nil
	case o.skip != "":
		res.Status, res.Message = Skip, o.skip
	case o.count == 0:
		res.Status, res.Count, res.Samples, res.Subjects = Pass, 0, []string{}, nil
		res.Message = o.note
	default:
		seen := o
		if c.twice {
			o, suspicious = confirm(before, c.ID, o)
		}
		res.Status, res.Count, res.Samples, res.Subjects = Fail, o.count, o.samples, seen.remembered(c, o.subjects)
		res.Message = o.note
		r.mu.Lock()
		r.subjects = o.subjects
		r.mu.Unlock()
		if c.Severity == Info { // told, and no finding
			res.Status, res.Message = Pass, "for information"
		}
	}
	return o, suspicious
}

// confirm keeps what an earlier look found too; nothing in common is a new suspicion.
func confirm(before map[string]outcome, id string, now outcome) (outcome, bool) {
	earlier, ok := before[id]
	if !ok {
		return now, true
	}
	if earlier.count > int64(len(earlier.subjects)) || now.count > int64(len(now.subjects)) {
		return now, false // more than can be work in flight
	}
	both := outcome{note: now.note}
	for i, s := range now.subjects {
		if slices.Contains(earlier.subjects, s) {
			both.count++
			both.subjects = append(both.subjects, s)
			if i < len(now.samples) {
				both.samples = append(both.samples, now.samples[i])
			}
		}
	}
	if both.count == 0 {
		return now, true
	}
	if len(both.samples) == 0 {
		both.samples = now.samples
	}
	return both, false
}

func milliseconds(d time.Duration) float64 { return float64(d.Round(10*time.Microsecond)) / 1e6 }

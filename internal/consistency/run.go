package consistency

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxLooks bounds how often a suspicion is looked at again.
	maxLooks = 3
	// transitionPatience is how long a transition may be at work before what it leaves
	// in disorder is told.
	transitionPatience = time.Minute
)

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

// looks looks once at everything, and again at what two looks must agree on. A look during
// a transition does not count: its jobs are on their way.
func (r *run) looks(ctx context.Context, checks []*Check) {
	patience := time.Now().Add(transitionPatience)
	suspects, moving := r.look(ctx, checks, nil, patience)
	for n := 1; len(suspects) > 0 && n < maxLooks; {
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
		if moving {
			suspects = map[string]outcome{}
		}
		if suspects, moving = r.look(ctx, again, suspects, patience); !moving {
			n++
		}
	}
	for id := range suspects { // each look found something else: work in flight
		if res := r.results[id]; res.Status == Fail {
			res.Status, res.Count, res.Samples, res.Subjects = Pass, 0, []string{}, nil
		}
	}
}

// look runs checks on one snapshot, those of each server side by side with the others', and
// returns the outcomes that the next look must confirm, and whether a transition was at
// work, which it is patient with until a moment.
func (r *run) look(ctx context.Context, checks []*Check, before map[string]outcome, patience time.Time) (suspects map[string]outcome, moving bool) {
	l := newLook(ctx, &r.options, checks)
	l.patience = patience
	defer l.close()
	var (
		wg sync.WaitGroup
		mu sync.Mutex
	)
	suspects = make(map[string]outcome)
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
	return suspects, l.moving()
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
		res.Status, res.Message, res.Count, res.Samples, res.Subjects = Skip, o.skip, 0, []string{}, nil
	case o.count == 0:
		res.Status, res.Count, res.Samples, res.Subjects = Pass, 0, []string{}, nil
		res.Message = o.note
	default:
		seen := o
		switch {
		case c.twice && l.moving():
			suspicious = true
		case c.twice:
			o, suspicious = confirm(before, c.ID, o, r.options.MaxSamples)
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
// Where there is more than a look remembers, the count is that of this one.
func confirm(before map[string]outcome, id string, now outcome, samples int) (outcome, bool) {
	earlier, ok := before[id]
	if !ok {
		return now, true
	}
	known := make(map[string]bool, len(earlier.subjects))
	for _, s := range earlier.subjects {
		known[s] = true
	}
	both := outcome{note: now.note, count: now.count}
	for i, s := range now.subjects {
		if known[s] {
			both.subjects, both.names = append(both.subjects, s), append(both.names, now.name(i))
		}
	}
	if len(both.subjects) == 0 {
		return now, true
	}
	if earlier.whole() && now.whole() {
		both.count = int64(len(both.subjects))
	}
	both.samples = both.names[:min(len(both.names), samples)]
	return both, false
}

// name is how a sample names a subject.
func (o outcome) name(i int) string {
	switch {
	case i < len(o.names):
		return o.names[i]
	case i < len(o.samples):
		return o.samples[i]
	}
	return o.subjects[i]
}

// whole says whether the subjects are all that was found.
func (o outcome) whole() bool { return o.count <= int64(len(o.subjects)) }

func milliseconds(d time.Duration) float64 { return float64(d.Round(10*time.Microsecond)) / 1e6 }

package migratestatecmd

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/command/snapshotcmd"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/migrate/state"
)

// followView is the JSON of --follow.
type followView struct {
	Quiet    bool        `json:"quiet"` // ended because old workers were quiet; false for Ctrl-C
	Carries  []carryView `json:"carries"`
	Counting []keyView   `json:"counting"` // counters of old workers that are there still
	LastSeen *time.Time  `json:"last_seen"`
}

type carryView struct {
	At    time.Time     `json:"at"`
	State breaker.State `json:"state"`
	Keys  []keyView     `json:"keys"`
}

// followOn follows the old workers after a migration. Each carry is told on
// stderr as it happens, and all of them in the result at the end.
func (o *options) followOn(ctx context.Context, m *state.Migrator, p *state.Plan, r *state.Result) error {
	v := done(p, r)
	v.Follow = &followView{Carries: []carryView{}}
	o.f.IO.Infof("Following: old keys are carried as they appear, until there were none for %s. Ctrl-C ends it.", o.quiet)
	followed, err := m.Follow(ctx, state.FollowOptions{Quiet: o.quiet, Interval: o.interval, After: r, Carried: func(c state.Carry) {
		v.Follow.Carries = append(v.Follow.Carries, carryView{At: c.At, State: c.State, Keys: keyViews(c.Keys)})
		o.f.IO.Infof("%s carried %s; the breaker is %s%s", cmdutil.Time(c.At), names(c.Keys), c.State, changed(c.Transition))
	}})
	v.fill(followed)
	printed := o.f.Print(v, func(w io.Writer) error { return followText(w, v, followed) })
	switch {
	case err != nil:
		return snapshotcmd.Explain(err)
	case printed != nil:
		return printed
	case !followed.Quiet:
		return exit.Silent(exit.Interrupted)
	}
	return nil
}

func (v *view) fill(f *state.Followed) {
	v.Follow.Quiet, v.Follow.Counting = f.Quiet, keyViews(f.Counting)
	if !f.LastSeen.IsZero() {
		v.Follow.LastSeen = &f.LastSeen
	}
	if f.Snapshot != "" {
		v.Snapshot = &f.Snapshot
	}
	if f.Carries > 0 {
		v.Applied = true
	}
	if f.Status.State != "" {
		v.State, v.OpenedAt, v.Epoch = f.Status.State, openedAt(f.Status.State, f.Status.OpenedAt), f.Status.Epoch
	}
}

func names(keys []state.KeyPlan) string {
	var all []string
	for _, k := range keys {
		all = append(all, fmt.Sprintf("%s (%s)", k.Key, k.State))
	}
	return strings.Join(all, ", ")
}

func changed(t breaker.Transition) string {
	if t.Changed {
		return " now"
	}
	return ""
}

func followText(w io.Writer, v *view, f *state.Followed) error {
	end := "Interrupted: old workers may still be writing"
	if f.Quiet {
		end = "Old workers are quiet"
	}
	fmt.Fprintf(w, "%s; carried %d times. The global breaker is %s%s.\n", end, f.Carries, f.Status.State, since(f.Status.State, f.Status.OpenedAt))
	for _, k := range f.Counting {
		fmt.Fprintf(w, "  %s: %s, below the old threshold; it is left and dies of age\n", k.Key, k.State)
	}
	if v.Snapshot == nil {
		return nil
	}
	_, err := fmt.Fprintf(w, "Snapshot %s; back with: leadgenctl migrate-state --rollback %s\n", *v.Snapshot, *v.Snapshot)
	return err
}

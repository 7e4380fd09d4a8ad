package state

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// maxRounds bounds how often Apply plans again because old workers write meanwhile.
const maxRounds = 10

// Result is what a migration did.
type Result struct {
	Applied    bool   // something was written
	Snapshot   string // its id; "" where nothing was written
	Status     breaker.Status
	Transition breaker.Transition // of the last write
	Keys       []KeyPlan          // those carried, then those left
	Rounds     int                // how often it was planned; more than 1 where old workers wrote meanwhile

	run *run
}

// BusyError says that old keys changed faster than they could be carried. What
// was carried is safe; the rest is still there.
type BusyError struct {
	Rounds  int
	Applied bool // the global key was written
	Key     string
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("old workers keep writing old keys (%q): planned %d times", e.Key, e.Rounds)
}

// run is one migration, over all its rounds.
type run struct {
	plan     *Plan
	snapshot *Snapshot
	history  []breaker.Event // what the stream has; nil until read
	ref      string          // of the write of the global key
	switched bool            // in this call
	// carriedBefore says that an earlier call carried keys into the same snapshot.
	carriedBefore bool
	carried       map[string]KeyPlan // by key
	result        *Result
}

// Apply carries out a plan: snapshot, switch, verify, delete. It plans again when
// a key changed since. When it fails, what it had begun is completed by the next
// migration. The result is returned with an error too.
func (m *Migrator) Apply(ctx context.Context, p *Plan) (*Result, error) {
	r := &run{plan: p, snapshot: p.saved, carried: make(map[string]KeyPlan), result: &Result{Status: p.Before}}
	r.result.run = r
	if p.NothingToDo() {
		r.result.Keys = p.Keys
		return r.result, nil
	}
	err := m.rounds(ctx, r)
	if err == nil && r.switched {
		err = m.finish(ctx, r)
	}
	r.report()
	return r.result, err
}

// rounds repeats until no old key is left.
func (m *Migrator) rounds(ctx context.Context, r *run) error {
	for {
		r.result.Rounds++
		again, err := m.round(ctx, r)
		if err != nil {
			return err
		}
		if again == "" {
			return nil
		}
		if r.result.Rounds == maxRounds {
			return &BusyError{Rounds: maxRounds, Applied: r.switched, Key: again}
		}
		if err := m.replan(ctx, r); err != nil || r.plan.NothingToDo() {
			return err
		}
	}
}

// round goes through the steps once. again names a key that has changed meanwhile.
func (m *Migrator) round(ctx context.Context, r *run) (again string, err error) {
	if err := m.save(ctx, r); err != nil {
		return "", err
	}
	t, err := m.switchOver(ctx, r)
	var changed *breaker.ChangedError
	var conflict *breaker.ConflictError
	switch {
	case errors.As(err, &changed):
		return changed.Key, nil
	case errors.As(err, &conflict):
		r.history = nil // another migration may have told it what this one was going to tell
		return conflict.Key, nil
	case err != nil:
		return "", err
	}
	r.switched, r.result.Applied, r.result.Transition = true, true, t
	m.step(StepSwitched)
	if r.result.Status, err = m.verify(ctx, t); err != nil {
		return "", err
	}
	m.step(StepVerified)
	kept, err := m.deleteOld(ctx, r.plan.old)
	if err != nil {
		return "", err
	}
	r.note(kept)
	m.step(StepDeleted)
	return m.written(ctx, r.plan)
}

// replan looks again. Keys that ran out of life since the first look still count:
// time decides nothing. Keys that somebody deleted before that do not.
func (m *Migrator) replan(ctx context.Context, r *run) error {
	p := r.plan
	now := m.now()
	for _, k := range p.old {
		if k.TTL != NoExpiry && !k.expires().After(now.Add(time.Second)) {
			p.remember(k)
		}
	}
	p.later = p.later || r.switched
	left := p.Keys
	if err := m.fill(ctx, p); err != nil {
		return err
	}
	for _, k := range left {
		if k.Action == ActionLeave && !containsKey(p.Keys, k.Key) {
			p.Keys = append(p.Keys, k)
		}
	}
	return nil
}

func containsKey(keys []KeyPlan, name string) bool {
	for _, k := range keys {
		if k.Key == name {
			return true
		}
	}
	return false
}

// written returns an old key that is there again and is to be carried, or "".
func (m *Migrator) written(ctx context.Context, p *Plan) (string, error) {
	keys, err := m.readOld(ctx)
	if err != nil {
		return "", err
	}
	for _, k := range keys {
		skipped := k.Malformed != nil && m.s.Rules.Malformed == Skip
		followed := p.only == nil || p.only[k.Service] && stated(keys, k.Service)
		if followed && !skipped {
			return k.Name, nil
		}
	}
	return "", nil
}

// note remembers what was carried.
func (r *run) note(kept []string) {
	for _, k := range r.plan.old {
		k.gone = !slices.Contains(kept, k.Name)
		r.plan.remember(k)
	}
	for _, k := range r.plan.Keys {
		if k.Action == ActionMigrate {
			k.Action = ActionMigrated
			r.carried[k.Key] = k
		}
	}
	for _, name := range kept {
		delete(r.carried, name)
	}
}

// finish records that the migration is complete.
func (m *Migrator) finish(ctx context.Context, r *run) error {
	err := m.end(ctx, phaseDone, r.snapshot.ID)
	if err == nil {
		m.step(StepDone)
	}
	return err
}

// report lists the carried keys in the order of the plan, then the others.
func (r *run) report() {
	var rest []KeyPlan
	seen := make(map[string]bool)
	for _, k := range r.plan.Keys {
		seen[k.Key] = true
		if done, ok := r.carried[k.Key]; ok {
			k = done
		}
		rest = append(rest, k)
	}
	for _, k := range r.carried {
		if !seen[k.Key] {
			r.result.Keys = append(r.result.Keys, k)
		}
	}
	sortKeys(r.result.Keys)
	r.result.Keys = append(r.result.Keys, rest...)
}

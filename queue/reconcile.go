package queue

import (
	"context"
	"fmt"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// Reconcile finishes or adopts what Redis and PostgreSQL do not agree on: a crash
// half-way, a Python worker that changed the breaker, a Redis that lost the key.
// It may be run at any moment by anyone, and a second run finds nothing.
func (m *Manager) Reconcile(ctx context.Context) (Result, error) {
	return m.ReconcileWith(ctx, ReconcileOptions{})
}

// ReconcileOptions say how Reconcile judges.
type ReconcileOptions struct {
	AssumeDead bool // as in ResumeOptions
}

// ReconcileWith is Reconcile with options.
func (m *Manager) ReconcileWith(ctx context.Context, o ReconcileOptions) (Result, error) {
	if o.AssumeDead {
		other := *m
		other.assumeDead = true
		m = &other
	}
	last, err := m.latest(ctx)
	if err != nil {
		return Result{}, err
	}
	t, err := m.adopt(ctx, last, false)
	if err != nil {
		return Result{}, err
	}
	m.settings.Step("queue.reconcile.adopted")
	return m.follow(ctx, last, t, t, nil)
}

// latest reads the log's last entry outside of a transaction.
func (m *Manager) latest(ctx context.Context) (entry, error) {
	if m.pool == nil {
		return entry{}, ErrNoDatabase
	}
	e, err := latest(ctx, m.pool)
	return e, databaseError("read the log of transitions", err)
}

// adopt makes Redis know what the log knows, and gives foreign changes an epoch.
func (m *Manager) adopt(ctx context.Context, last entry, replaceMalformed bool) (breaker.Transition, error) {
	if replaceMalformed {
		return breaker.Transition{}, nil // the change itself replaces it and adopts the rest
	}
	if last.Epoch == 0 {
		return m.breaker.Adopt(ctx, 0)
	}
	return m.breaker.Restore(ctx, last.durable())
}

// since collects the transitions that the log does not know yet.
func (m *Manager) since(ctx context.Context, last entry, ts ...breaker.Transition) ([]entry, error) {
	events, err := m.breaker.History(ctx, breaker.Filter{AfterEpoch: last.Epoch})
	if err != nil {
		return nil, err
	}
	var entries []entry
	for _, e := range events {
		if e.Transition() {
			entries = append(entries, entryOfEvent(e))
		}
	}
	// The stream is capped and may be emptied: what the calls told counts as well.
	for _, t := range ts {
		if t.Adopted != nil {
			entries = append(entries, entryOf(*t.Adopted))
		}
		entries = append(entries, entryOf(t))
	}
	return entries, nil
}

// foreign tells of a change by another program, which may have given no reason.
func foreign(state breaker.State, reason string) string {
	detail := fmt.Sprintf("the circuit breaker was made %s by another program", state)
	if reason != "" {
		detail += ": " + reason
	}
	return detail
}

// findings says what the calls met and mended in Redis.
func findings(last entry, ts ...breaker.Transition) []Finding {
	var fs []Finding
	seen := map[FindingKind]bool{}
	add := func(f Finding) {
		if !seen[f.Kind] {
			seen[f.Kind] = true
			fs = append(fs, f)
		}
	}
	for _, t := range ts {
		if a := t.Adopted; a != nil {
			add(Finding{Kind: FoundForeign, Epoch: a.Epoch, Loud: true, Action: fmt.Sprintf("adopted as epoch %d", a.Epoch),
				Detail: foreign(a.State, a.Reason)})
		}
		if t.Restored {
			f := Finding{Kind: FoundLostKey, Epoch: t.Epoch, Loud: true, Action: "restored: the circuit breaker is " + string(t.State),
				Detail: fmt.Sprintf("Redis had lost the circuit breaker, which is %s since epoch %d", t.State, t.Epoch)}
			if t.State == breaker.Closed {
				f.Kind, f.Loud = FoundLostState, false
			}
			add(f)
		}
		if t.Persisted {
			add(Finding{Kind: FoundTTL, Epoch: t.Epoch, Action: "the time to live was removed",
				Detail: "the key would have expired, and the circuit breaker would have closed unseen"})
		}
		if t.OpenedAtReset {
			add(Finding{Kind: FoundReopenedAt, Epoch: t.Epoch, Action: "set back to the first failure",
				Detail: "a later failure had renewed opened_at"})
		}
		if t.Renumbered {
			add(Finding{Kind: FoundRenumbered, Epoch: t.Epoch, Loud: true, Action: fmt.Sprintf("the state got epoch %d", t.Epoch),
				Detail: fmt.Sprintf("Redis had begun again below epoch %d", last.Epoch)})
		}
	}
	return fs
}

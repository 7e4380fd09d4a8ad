package state

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// switchOver writes the global key if it is what the plan saw. Where old keys and
// the global key are on one server, the same script sees to it that every old key
// is unchanged too, and that no further one has appeared.
func (m *Migrator) switchOver(ctx context.Context, r *run) (breaker.Transition, error) {
	p := r.plan
	if r.history == nil {
		var err error
		if r.history, err = m.s.Breaker.History(ctx, breaker.Filter{}); err != nil {
			return breaker.Transition{}, err
		}
	}
	events := unseen(p.Verdict.Events, r.history)
	record := p.After
	summarise(&record, p.Verdict, r.snapshot.ID, m.s.Actor, m.now())
	o := breaker.ImportOptions{Expected: p.Before.Raw, Record: record, Events: events, Reference: r.ref,
		Reason: strings.Join(p.Verdict.Reasons, "; "), Service: p.Verdict.Latest.Service, ErrorType: p.Verdict.Latest.ErrorType, Actor: m.s.Actor}
	if !p.Before.Exists {
		o.Expected = nil
	}
	if _, cluster := m.s.Client.(*redis.ClusterClient); !cluster {
		o.Unchanged = m.unchanged(p)
	}
	t, err := m.s.Breaker.Import(ctx, o)
	if err == nil {
		r.history = append(r.history, events...)
	}
	return t, err
}

// unchanged lists every name that an old key may have, with what was read of it.
func (m *Migrator) unchanged(p *Plan) []breaker.Unchanged {
	dumps := make(map[string][]byte)
	for _, k := range p.old {
		dumps[k.Name] = k.Dump
	}
	for _, k := range p.Keys {
		if k.Action == ActionLeave {
			dumps[k.Key] = nil // skipped: it may be anything
		}
	}
	var list []breaker.Unchanged
	for _, name := range namesOf(m.s.Services) {
		_, service, _ := splitName(name)
		dump, listed := dumps[name]
		if skipped := listed && dump == nil; skipped || p.only != nil && !p.only[service] {
			continue
		}
		list = append(list, breaker.Unchanged{Key: name, Dump: dump})
	}
	return list
}

// verify reads the global key back. A transition that somebody made since is
// theirs to make; a key that is absent or of an earlier epoch was not written.
func (m *Migrator) verify(ctx context.Context, t breaker.Transition) (breaker.Status, error) {
	st, err := m.s.Breaker.State(ctx)
	if err != nil {
		return st, fmt.Errorf("verify the global key before the old ones are deleted: %w", err)
	}
	switch {
	case !st.Exists:
		err = errors.New("it is absent")
	case st.Epoch < t.Epoch:
		err = fmt.Errorf("its epoch is %d, not %d", st.Epoch, t.Epoch)
	case st.Epoch == t.Epoch && !st.External && st.State != t.State:
		err = fmt.Errorf("it is %s, not %s", st.State, t.State)
	}
	if err != nil {
		return st, fmt.Errorf("verify the global key %q: %w; the old keys were not deleted", m.s.Breaker.Keys().Breaker, err)
	}
	return st, nil
}

package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// What happens to a key.
const (
	ActionMigrate  = "migrate"  // planned: carried into the global key, then deleted
	ActionMigrated = "migrated" // done
	ActionLeave    = "leave"    // not touched
)

// KeyPlan is one key with what happens to it.
type KeyPlan struct {
	Key     string
	Type    string        // Redis type
	TTL     time.Duration // remaining life; NoExpiry for none
	Service string        // "" where the name has none
	State   string        // decoded; "" for a key that only looks alike
	Action  string
	Note    string // why it is left; may be empty
}

// Plan is what Apply would do.
type Plan struct {
	Keys    []KeyPlan
	Left    int            // all keys that are left, also those that are too many to list
	Verdict Verdict        // of the old keys
	Before  breaker.Status // of the global key
	After   breaker.Record // the global key as it will be, without epoch
	Resumes string         // the snapshot of an interrupted migration that is carried on

	old   []*OldKey       // to be carried and deleted
	known []*OldKey       // carried already, or dead of age since a first plan: evidence
	saved *Snapshot       // of the interrupted migration; nil where it is not at hand
	write bool            // the global key is to be written
	only  map[string]bool // a follower's services; nil for all
	later bool            // a round after the first, or a follower's: nothing contradicts
}

// NothingToDo says that Apply would change nothing.
func (p *Plan) NothingToDo() bool { return !p.write }

// Plan reads what is there and decides. It changes nothing. The plan is returned
// with a *MalformedError or *ConflictError too, as far as it goes.
func (m *Migrator) Plan(ctx context.Context) (*Plan, error) {
	for {
		before, err := m.last(ctx)
		if err != nil {
			return nil, err
		}
		p, err := m.plan(ctx, before)
		var conflict *ConflictError
		if !errors.As(err, &conflict) {
			return p, err
		}
		// Another migration may have written the global key and deleted some of the old
		// ones while they were read: what is left of them contradicts nothing then.
		if after, lastErr := m.last(ctx); lastErr != nil || after == before {
			return p, err
		}
	}
}

func (m *Migrator) plan(ctx context.Context, last last) (*Plan, error) {
	p := &Plan{}
	if err := m.resume(ctx, p, last); err != nil {
		return nil, err
	}
	if err := m.fill(ctx, p); err != nil {
		return p, err
	}
	if m.s.Discover {
		if err := m.addDiscovered(ctx, p); err != nil {
			return p, err
		}
	}
	m.step(StepPlanned)
	return p, nil
}

// resume finds out whether a migration was interrupted after the switch.
func (m *Migrator) resume(ctx context.Context, p *Plan, last last) (err error) {
	p.later = last.done && m.s.Following
	id := last.snapshot
	if id == "" {
		return nil
	}
	p.Resumes, p.later = id, true
	p.saved, err = m.s.Store.Load(ctx, id)
	switch {
	case errors.Is(err, ErrNoSnapshot):
		m.warnf("an interrupted migration left the snapshot %s, which is not in %s; what it deleted can be restored only from there", id, m.s.Store.Location(""))
		p.saved = nil
	case err != nil:
		return fmt.Errorf("carry on with an interrupted migration: %w", err)
	default:
		for _, k := range p.saved.Keys {
			old := k.oldKey()
			// Where the last write was not made, what is there now has not been carried.
			old.gone = !last.carried
			p.known = append(p.known, old)
		}
	}
	return nil
}

// fill reads the old keys and the global key, and decides.
func (m *Migrator) fill(ctx context.Context, p *Plan) error {
	keys, err := m.readOld(ctx)
	if err != nil {
		return err
	}
	p.Keys, p.old = nil, nil
	var malformed []error
	for _, k := range keys {
		if p.only != nil && !p.only[k.Service] {
			continue
		}
		kp := KeyPlan{Key: k.Name, Type: k.Type, TTL: k.TTL, Service: k.Service, State: k.State(), Action: ActionMigrate}
		switch {
		case k.Malformed != nil && m.s.Rules.Malformed == "":
			malformed = append(malformed, k.Malformed)
			kp.Note = k.Malformed.Reason
		case k.Malformed != nil && m.s.Rules.Malformed == Skip:
			kp.Action, kp.Note = ActionLeave, "skipped: "+k.Malformed.Reason
			p.Left++
		case k.Malformed != nil:
			kp.Note = "taken as open: " + k.Malformed.Reason
		}
		p.Keys = append(p.Keys, kp)
		if kp.Action == ActionMigrate {
			p.old = append(p.old, k)
		}
	}
	if len(malformed) > 0 {
		return errors.Join(malformed...)
	}
	if p.Before, err = m.s.Breaker.State(ctx); err != nil {
		return err
	}
	return m.decide(p)
}

// evidence is every key that counts: each once, as it was last seen.
func (p *Plan) evidence() []*OldKey {
	keys := slices.Clone(p.old)
	for _, k := range p.known {
		if !slices.ContainsFunc(keys, func(o *OldKey) bool { return o.Name == k.Name }) {
			keys = append(keys, k)
		}
	}
	return keys
}

// remember makes k evidence that lasts, in place of an earlier version of it.
func (p *Plan) remember(k *OldKey) {
	p.known = slices.DeleteFunc(p.known, func(o *OldKey) bool { return o.Name == k.Name })
	p.known = append(p.known, k)
}

// fresh is the evidence that was not carried before as it is now.
func (p *Plan) fresh() []*OldKey {
	var keys []*OldKey
	for _, k := range p.old {
		if !slices.ContainsFunc(p.known, func(o *OldKey) bool { return o.Name == k.Name && !o.gone && bytes.Equal(o.Dump, k.Dump) }) {
			keys = append(keys, k)
		}
	}
	return keys
}

func (m *Migrator) addDiscovered(ctx context.Context, p *Plan) error {
	found, err := discover(ctx, m.s.Client, m.s.Services, m.s.Progress)
	if err != nil {
		return err
	}
	p.Left += found.Left
	unknown, err := readKeys(ctx, m.s.Client, found.Unknown)
	if err != nil {
		return err
	}
	for _, k := range unknown {
		p.Keys = append(p.Keys, KeyPlan{Key: k.Name, Type: k.Type, TTL: k.TTL, Service: k.Service, State: k.State(),
			Action: ActionLeave, Note: "unknown service; carried only with --service " + k.Service})
		if k.Malformed == nil && (k.Family == Pause || k.Family == Circuit && k.Circuit.State != oldClosed) {
			m.warnf("%s says %s, but %s is not a known service: it does not count unless it is named with --service %s", k.Name, k.State(), k.Service, k.Service)
		}
	}
	alike, err := m.describe(ctx, found.Alike)
	p.Keys = append(p.Keys, alike...)
	return err
}

// describe asks for type and remaining life only: the values are not ours.
func (m *Migrator) describe(ctx context.Context, names []string) ([]KeyPlan, error) {
	kinds, ttls := make([]*redis.StatusCmd, len(names)), make([]*redis.DurationCmd, len(names))
	_, err := m.s.Client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, name := range names {
			kinds[i], ttls[i] = p.Type(ctx, name), p.PTTL(ctx, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look at the keys that only look like old ones: %w", err)
	}
	var keys []KeyPlan
	for i, name := range names {
		if kinds[i].Val() == "none" {
			continue
		}
		keys = append(keys, KeyPlan{Key: name, Type: kinds[i].Val(), TTL: max(NoExpiry, ttls[i].Val()),
			Action: ActionLeave, Note: "only looks like an old key"})
	}
	return keys, nil
}

// sortKeys sorts by service, then by family.
func sortKeys(keys []KeyPlan) {
	slices.SortStableFunc(keys, func(a, b KeyPlan) int {
		if c := strings.Compare(a.Service, b.Service); c != 0 {
			return c
		}
		return strings.Compare(a.Key, b.Key)
	})
}

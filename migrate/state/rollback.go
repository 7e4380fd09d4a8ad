package state

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// RollbackOptions choose a snapshot and how it is restored.
type RollbackOptions struct {
	ID string // a snapshot's id, or "latest"
	// KeepFull gives each key the remaining life that it had when the snapshot was
	// taken; else the time since then is taken off, and a key whose life has run out
	// stays away.
	KeepFull bool
	// Force restores a snapshot that is damaged (as far as it can be read) or of
	// another server or database.
	Force bool
}

// What a rollback does to a key.
const (
	ActionRestore   = "restore"   // planned: the key is absent
	ActionOverwrite = "overwrite" // planned: another value is there
	ActionDelete    = "delete"    // planned: the global key was absent
	ActionSame      = "same"      // it is as it was
	ActionExpired   = "expired"   // its life has run out since the snapshot
	ActionRestored  = "restored"  // done, for restore, overwrite and delete
)

// ForeignError says that a snapshot is of another server or database.
type ForeignError struct {
	ID     string
	Reason string
}

func (e *ForeignError) Error() string {
	return fmt.Sprintf("snapshot %s is not of this Redis: %s", e.ID, e.Reason)
}

// RollbackKey is one key with what the rollback does to it.
type RollbackKey struct {
	Key      string
	Type     string
	Service  string
	State    string
	TTL      time.Duration // the remaining life that it gets; NoExpiry for none
	Action   string
	Verified string // dump or value: how the restored key was found to be the saved one

	saved   SavedKey
	seen    []byte    // the dump of what is there now; nil for absent
	expires time.Time // zero for never
}

// RollbackPlan is what Rollback would do.
type RollbackPlan struct {
	Snapshot *Snapshot
	Keys     []RollbackKey
	Global   RollbackKey
	Before   breaker.Status // of the global key
	After    string         // the global key's value as it will be; "" for absent
	Saved    string         // after Rollback: the id of the snapshot of what was there before it
}

// NothingToDo says that everything is as the snapshot says.
func (p *RollbackPlan) NothingToDo() bool {
	for _, k := range append([]RollbackKey{p.Global}, p.Keys...) {
		switch k.Action {
		case ActionRestore, ActionOverwrite, ActionDelete:
			return false
		}
	}
	return true
}

// PlanRollback loads and checks a snapshot, and compares it with what is there.
// It changes nothing.
func (m *Migrator) PlanRollback(ctx context.Context, o RollbackOptions) (*RollbackPlan, error) {
	snap, err := m.loadFor(ctx, o)
	if err != nil {
		return nil, err
	}
	here, err := m.identify(ctx)
	if err != nil {
		return nil, err
	}
	if why, same := snap.Source.same(here); !same {
		err := &ForeignError{ID: snap.ID, Reason: why}
		if !o.Force {
			return nil, err
		}
		m.warnf("forced: %v", err)
	}
	p := &RollbackPlan{Snapshot: snap}
	if p.Before, err = m.s.Breaker.State(ctx); err != nil {
		return nil, err
	}
	if err := m.compareOld(ctx, p, o.KeepFull); err != nil {
		return nil, err
	}
	m.compareGlobal(p, o.KeepFull)
	m.step(StepRollbackPlanned)
	return p, nil
}

func (m *Migrator) loadFor(ctx context.Context, o RollbackOptions) (*Snapshot, error) {
	var damaged *DamagedError
	id, err := Resolve(ctx, m.s.Store, o.ID)
	if err != nil && !(o.Force && errors.As(err, &damaged)) {
		return nil, err
	}
	snap, err := m.s.Store.Load(ctx, id)
	if errors.As(err, &damaged) && o.Force && snap != nil {
		m.warnf("forced: %v", err)
		err = nil
	}
	return snap, err
}

// compareOld decides on each old key of the snapshot.
func (m *Migrator) compareOld(ctx context.Context, p *RollbackPlan, full bool) error {
	var names []string
	for _, k := range p.Snapshot.Keys {
		names = append(names, k.Key)
	}
	now, err := m.serverTime(ctx)
	if err != nil {
		return err
	}
	there, err := readKeys(ctx, m.s.Client, names)
	if err != nil {
		return err
	}
	current := make(map[string]*OldKey)
	for _, k := range there {
		current[k.Name] = k
	}
	for _, saved := range p.Snapshot.Keys {
		k := RollbackKey{Key: saved.Key, Type: saved.Type, Service: saved.Service, State: saved.State, saved: saved, Action: ActionRestore}
		k.live(now, full)
		switch c := current[saved.Key]; {
		case c != nil && saved.equals(c):
			k.Action, k.TTL = ActionSame, c.TTL
		case k.TTL == 0:
			k.Action = ActionExpired
		case c != nil:
			k.Action, k.seen = ActionOverwrite, c.Dump
		}
		p.Keys = append(p.Keys, k)
	}
	return nil
}

// live works out the remaining life that a restored key gets.
func (k *RollbackKey) live(now time.Time, full bool) {
	if k.TTL = k.saved.Life(now); k.TTL == NoExpiry {
		return
	}
	k.expires = k.saved.ReadAt.Add(time.Duration(k.saved.TTLMS) * time.Millisecond)
	if full {
		k.TTL = time.Duration(k.saved.TTLMS) * time.Millisecond
		k.expires = now.Add(k.TTL)
	}
}

// compareGlobal decides on the global key.
func (m *Migrator) compareGlobal(p *RollbackPlan, full bool) {
	saved, b := p.Snapshot.Global, p.Before
	k := RollbackKey{Key: m.s.Breaker.Keys().Breaker, Type: "string", saved: saved, Action: ActionRestore}
	k.live(m.now(), full)
	rec, err := breaker.DecodeRecord(saved.Value)
	if err == nil {
		k.State = string(rec.State)
	}
	if k.TTL == 0 && err == nil && rec.State == breaker.Open {
		m.warnf("the global key was open with a time to live that has run out since; it is restored without one, for time closes no breaker")
		k.TTL = NoExpiry
	}
	switch absent := saved.Absent || k.TTL == 0; {
	case absent && !b.Exists && !b.Lost:
		k.Action = ActionSame
	case absent:
		k.Action, k.TTL = ActionDelete, NoExpiry
	case string(b.Raw) == string(saved.Value) && (b.TTL > 0) == (k.TTL > 0):
		k.Action = ActionSame
	case b.Exists:
		k.Action = ActionOverwrite
	}
	if k.Action != ActionDelete && !saved.Absent {
		p.After = string(saved.Value)
	}
	p.Global = k
}

// equals says whether what is there is what was saved.
func (k SavedKey) equals(c *OldKey) bool { return k.matches(c) != "" }

// matches says by what the two are the same: "dump", byte for byte; or "value",
// where Redis keeps the same value in another encoding: it converts a small sorted
// set that once was large when it restores it. "" for neither.
func (k SavedKey) matches(c *OldKey) string {
	now := saveKey(c)
	switch {
	case string(k.Dump) == string(now.Dump):
		return "dump"
	case k.Type != now.Type || (k.Type != "string" && k.Type != "zset"):
		return ""
	case string(k.Value) != string(now.Value) || len(k.Members) != len(now.Members):
		return ""
	}
	for i, member := range k.Members {
		if member.Score != now.Members[i].Score || string(member.Member) != string(now.Members[i].Member) {
			return ""
		}
	}
	return "value"
}

func (m *Migrator) serverTime(ctx context.Context) (time.Time, error) {
	now, err := m.s.Client.Time(ctx).Result()
	if err != nil {
		return m.now(), ignoreDenied(err, "read the server's clock")
	}
	return now.UTC(), nil
}

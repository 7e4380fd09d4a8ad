package state

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
)

var (
	//go:embed restore.lua
	restoreLua    string
	restoreScript = redis.NewScript(restoreLua)
)

// Rollback carries out a plan: it saves what is there now, puts back the old keys,
// then the global key, and compares every one with the snapshot. The plan's
// actions are updated. When it fails, the same rollback run again completes it.
func (m *Migrator) Rollback(ctx context.Context, p *RollbackPlan) error {
	if p.NothingToDo() {
		return nil
	}
	if err := m.saveBefore(ctx, p); err != nil {
		return err
	}
	for i := range p.Keys {
		if err := m.restoreKey(ctx, &p.Keys[i]); err != nil {
			return err
		}
	}
	if err := m.restoreGlobal(ctx, p); err != nil {
		return err
	}
	if err := m.compareRestored(ctx, p); err != nil {
		return err
	}
	m.step(StepRollbackChecked)
	if p.Snapshot.Kind == KindFix { // it takes back no migration
		return nil
	}
	if err := m.end(ctx, phaseRolledBack, p.Snapshot.ID); err != nil {
		return err
	}
	m.step(StepRollbackDone)
	return nil
}

// saveBefore takes a snapshot of what the rollback is going to overwrite.
func (m *Migrator) saveBefore(ctx context.Context, p *RollbackPlan) error {
	snap, err := m.newSnapshot(ctx, KindRollback)
	if err != nil {
		return err
	}
	var names []string
	for _, k := range p.Keys {
		names = append(names, k.Key)
	}
	keys, err := readKeys(ctx, m.s.Client, names)
	if err != nil {
		return err
	}
	for _, k := range keys {
		snap.put(saveKey(k))
	}
	if snap.Global, err = m.saveGlobal(ctx); err != nil {
		return err
	}
	if err := m.s.Store.Save(ctx, snap); err != nil {
		return err
	}
	p.Saved = snap.ID
	m.step(StepRollbackSaved)
	return nil
}

func (m *Migrator) restoreKey(ctx context.Context, k *RollbackKey) error {
	if k.Action != ActionRestore && k.Action != ActionOverwrite {
		return nil
	}
	var end int64
	if !k.expires.IsZero() {
		end = k.expires.UnixMilli()
	}
	answer, err := restoreScript.Run(ctx, m.s.Client, []string{k.Key}, k.seen, k.saved.Dump, end).Text()
	switch {
	case err != nil && strings.Contains(err.Error(), "payload version or checksum"):
		return fmt.Errorf("restore %q: Redis refuses what was saved of it: it is damaged, or of a newer Redis: %w", k.Key, err)
	case err != nil:
		return fmt.Errorf("restore %q: %w", k.Key, err)
	case answer == "changed":
		return fmt.Errorf("restore %q: somebody wrote it meanwhile; run the rollback again", k.Key)
	}
	m.step(StepRestoredKey)
	return nil
}

func (m *Migrator) restoreGlobal(ctx context.Context, p *RollbackPlan) error {
	g := &p.Global
	o := breaker.ReplaceOptions{Expected: p.Before.Raw, Actor: m.s.Actor, Reason: "rolled back to the snapshot " + p.Snapshot.ID}
	switch g.Action {
	case ActionSame:
		return nil
	case ActionRestore, ActionOverwrite:
		o.Value = g.saved.Value
		o.TTL = max(0, g.TTL)
	}
	if !p.Before.Exists {
		o.Expected = nil
	}
	if _, err := m.s.Breaker.Replace(ctx, o); err != nil {
		return fmt.Errorf("restore the global key: %w", err)
	}
	m.step(StepRestoredGlobal)
	return nil
}

// compareRestored reads everything back and compares it with the snapshot.
func (m *Migrator) compareRestored(ctx context.Context, p *RollbackPlan) error {
	var names []string
	for _, k := range p.Keys {
		names = append(names, k.Key)
	}
	keys, err := readKeys(ctx, m.s.Client, append(names, p.Global.Key))
	if err != nil {
		return err
	}
	there := make(map[string]*OldKey)
	for _, k := range keys {
		there[k.Name] = k
	}
	var wrong []error
	for i := range p.Keys {
		wrong = append(wrong, p.Keys[i].verify(there[p.Keys[i].Key], m.now()))
	}
	if p.Global.Action == ActionDelete {
		if there[p.Global.Key] != nil {
			wrong = append(wrong, fmt.Errorf("%q is there, and was absent", p.Global.Key))
		}
		p.Global.Action = ActionRestored
	} else {
		wrong = append(wrong, p.Global.verify(there[p.Global.Key], m.now()))
	}
	if err := errors.Join(wrong...); err != nil {
		return fmt.Errorf("verify what was restored: %w", err)
	}
	return nil
}

// verify compares a restored key with what was saved, and its life to a second.
func (k *RollbackKey) verify(c *OldKey, now time.Time) error {
	if k.Action != ActionRestore && k.Action != ActionOverwrite {
		return nil
	}
	if c == nil {
		if !k.expires.IsZero() && k.expires.Before(now.Add(time.Second)) {
			k.Action = ActionExpired
			return nil
		}
		return fmt.Errorf("%q is not there", k.Key)
	}
	if k.Verified = k.saved.matches(c); k.Verified == "" {
		return fmt.Errorf("%q differs from the snapshot", k.Key)
	}
	if (c.TTL == NoExpiry) != (k.TTL == NoExpiry) {
		return fmt.Errorf("%q has the remaining life %s, not %s", k.Key, c.TTL, k.TTL)
	}
	if k.TTL != NoExpiry {
		if off := c.ReadAt.Add(c.TTL).Sub(k.expires).Abs(); off > time.Second {
			return fmt.Errorf("the remaining life of %q is wrong by %s", k.Key, off)
		}
	}
	k.Action = ActionRestored
	return nil
}

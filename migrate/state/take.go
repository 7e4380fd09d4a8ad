package state

import (
	"context"
	"time"
)

// save adds the plan's keys to the run's snapshot and makes it durable.
func (m *Migrator) save(ctx context.Context, r *run) error {
	if r.snapshot == nil {
		s, err := m.newSnapshot(ctx, KindMigrate)
		if err != nil {
			return err
		}
		if s.Global, err = m.saveGlobal(ctx); err != nil {
			return err
		}
		r.snapshot = s
	}
	for _, k := range r.plan.evidence() {
		r.snapshot.put(saveKey(k))
	}
	if err := m.s.Store.Save(ctx, r.snapshot); err != nil {
		return err
	}
	r.result.Snapshot = r.snapshot.ID
	m.step(StepSnapshotSaved)
	var err error
	if r.ref, err = m.begin(ctx, r.snapshot.ID, r.carriedBefore || r.switched || r.plan.Resumes != ""); err != nil {
		return err
	}
	m.step(StepMarked)
	return nil
}

func (m *Migrator) newSnapshot(ctx context.Context, kind string) (*Snapshot, error) {
	if _, err := m.identity(ctx); err != nil {
		return nil, err
	}
	source, err := m.identify(ctx)
	if err != nil {
		return nil, err
	}
	at := m.now()
	return &Snapshot{ID: newID(at), Kind: kind, CreatedAt: at.Truncate(time.Millisecond), Actor: m.s.Actor, Source: source, Keys: []SavedKey{}}, nil
}

// saveGlobal saves the global key, whatever it is.
func (m *Migrator) saveGlobal(ctx context.Context) (SavedKey, error) {
	name := m.s.Breaker.Keys().Breaker
	keys, err := readKeys(ctx, m.s.Client, []string{name})
	if err != nil {
		return SavedKey{}, err
	}
	if len(keys) == 0 {
		return SavedKey{Key: name, Absent: true, TTLMS: -1, ReadAt: m.now()}, nil
	}
	saved := saveKey(keys[0])
	saved.Service, saved.State = "", ""
	return saved, nil
}

// SaveGlobal takes a snapshot of the global key alone, before something else than this
// package changes it, and returns its id. A rollback to it leaves the old keys alone.
func (m *Migrator) SaveGlobal(ctx context.Context) (id string, err error) {
	snap, err := m.newSnapshot(ctx, KindFix)
	if err != nil {
		return "", err
	}
	if snap.Global, err = m.saveGlobal(ctx); err != nil {
		return "", err
	}
	return snap.ID, m.s.Store.Save(ctx, snap)
}

package state

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// The fields of the marker, a hash in the breaker's slot: the data's own mark,
// and which migration is under way or was the last.
const (
	markID       = "id"
	markSnapshot = "snapshot" // the id of the snapshot of the migration
	markPhase    = "phase"
	markSwitch   = "switch"  // the reference of the write of the global key that is about to be made
	markBefore   = "carried" // "1" where the same migration has carried keys before that write
	markAt       = "at"

	phaseStarted    = "started"
	phaseDone       = "done"
	phaseRolledBack = "rolled-back"
)

// markerKey lies in the slot of the breaker's key, as its companions do.
func (m *Migrator) markerKey() string {
	return strings.TrimSuffix(m.s.Breaker.Keys().Ledger, ":ledger") + ":migration"
}

// identity returns the data's own mark, and gives it one where it has none.
func (m *Migrator) identity(ctx context.Context) (string, error) {
	return m.writeMarker(ctx)
}

// begin records that the global key is about to be written, and returns the
// reference by which the write can be recognised.
func (m *Migrator) begin(ctx context.Context, snapshot string, carried bool) (ref string, err error) {
	ref = uuid.NewString()
	before := "0"
	if carried {
		before = "1"
	}
	_, err = m.writeMarker(ctx, markPhase, phaseStarted, markSnapshot, snapshot, markSwitch, ref, markBefore, before)
	return ref, err
}

// end records that a migration or a rollback is complete.
func (m *Migrator) end(ctx context.Context, phase, snapshot string) error {
	_, err := m.writeMarker(ctx, markPhase, phase, markSnapshot, snapshot)
	return err
}

func (m *Migrator) writeMarker(ctx context.Context, fields ...any) (id string, err error) {
	var got *redis.StringCmd
	_, err = m.s.Client.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.HSetNX(ctx, m.markerKey(), markID, uuid.NewString())
		if len(fields) > 0 {
			p.HSet(ctx, m.markerKey(), append(fields, markAt, m.now().Format("2006-01-02T15:04:05.000Z"))...)
		}
		got = p.HGet(ctx, m.markerKey(), markID)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("write %q: %w", m.markerKey(), err)
	}
	return got.Val(), nil
}

// last is what the marker tells of the last migration.
type last struct {
	snapshot string // of a migration that has carried keys and did not get to its end; else ""
	carried  bool   // what its snapshot holds was carried, all of it
	done     bool   // it got to its end
}

func (m *Migrator) last(ctx context.Context) (last, error) {
	var marker *redis.MapStringStringCmd
	var ref *redis.StringCmd
	_, err := m.s.Client.Pipelined(ctx, func(p redis.Pipeliner) error {
		marker = p.HGetAll(ctx, m.markerKey())
		ref = p.HGet(ctx, m.s.Breaker.Keys().Ledger, breaker.LedgerImportRef)
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return last{}, fmt.Errorf("read %q: %w", m.markerKey(), err)
	}
	f := marker.Val()
	l := last{done: f[markPhase] == phaseDone}
	written := f[markSwitch] != "" && f[markSwitch] == ref.Val()
	if f[markPhase] == phaseStarted && (written || f[markBefore] == "1") {
		l.snapshot, l.carried = f[markSnapshot], written
	}
	return l, nil
}

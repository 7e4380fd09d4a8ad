package schema

import (
	"context"

	"github.com/golang-migrate/migrate/v4/database"
)

// Status is how far a database is.
type Status struct {
	Version  uint // of the last applied migration; 0 for none
	Dirty    bool // a migration was interrupted; the next Up or Down, or Repair, mends it
	Known    bool // this leadgenctl knows the version
	Applied  []Migration
	Pending  []Migration
	AtLatest bool
}

// Status reads the version table; rights to read are enough.
func (m *Migrator) Status(ctx context.Context) (Status, error) {
	version, dirty, err := readVersion(ctx, m.pool)
	if err != nil {
		return Status{}, err
	}
	st := Status{Dirty: dirty, Known: true}
	if version == database.NilVersion {
		st.Pending = m.all
		return st, nil
	}
	st.Version = uint(version)
	i := m.index(st.Version)
	st.Known = i >= 0
	if !st.Known {
		st.Applied = m.all
		return st, nil
	}
	st.Applied, st.Pending = m.all[:i+1], m.all[i+1:]
	st.AtLatest = len(st.Pending) == 0
	return st, nil
}

// index is the place of a version among all migrations, -1 for none.
func (m *Migrator) index(version uint) int {
	for i, mig := range m.all {
		if mig.Version == version {
			return i
		}
	}
	return -1
}

// at is the index of the last applied migration, -1 for none.
func (m *Migrator) at(ctx context.Context) (int, error) {
	version, _, err := readVersion(ctx, m.pool)
	if err != nil || version == database.NilVersion {
		return -1, err
	}
	if i := m.index(uint(version)); i >= 0 {
		return i, nil
	}
	return 0, &DirtyError{Migration: m.all[len(m.all)-1].String(), Reason: "the database is at a version that this leadgenctl does not know; use the release that made it"}
}

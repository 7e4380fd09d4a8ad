package schema

import (
	"context"
	"fmt"

	"github.com/golang-migrate/migrate/v4/database"
)

// mend clears a dirty mark that an interruption left. A file is one transaction,
// so the migration is applied or it is not; its own Applied expression tells which.
func (m *Migrator) mend(ctx context.Context, d *driver) error {
	version, dirty, err := readVersion(ctx, m.pool)
	if err != nil || !dirty {
		return err
	}
	to, err := m.truth(ctx, version)
	if err != nil {
		return err
	}
	return d.SetVersion(to, false)
}

// mendAfter is mend after a failed step of this same run.
func (m *Migrator) mendAfter(ctx context.Context, cause error) error {
	ctx = context.WithoutCancel(ctx)
	d := &driver{ctx: ctx, pool: m.pool, lockTimeout: m.settings.LockTimeout}
	if err := m.mend(ctx, d); err != nil {
		return fmt.Errorf("mend the version table after %q: %w", cause, err)
	}
	return nil
}

// truth returns the version that is really applied. golang-migrate marks the
// version that it heads for, dirty, before it runs a file: that of an up, or the
// one below that which a down undoes.
func (m *Migrator) truth(ctx context.Context, marked int) (int, error) {
	i := -1
	if marked != database.NilVersion {
		if i = m.index(uint(marked)); i < 0 {
			return 0, &DirtyError{Migration: fmt.Sprint(marked), Reason: "this leadgenctl does not know it; use the release that made it"}
		}
		if done, err := m.applied(ctx, m.all[i]); err != nil {
			return 0, err
		} else if !done {
			return m.version(i - 1), nil
		}
	}
	if i+1 < len(m.all) {
		if still, err := m.applied(ctx, m.all[i+1]); err != nil {
			return 0, err
		} else if still {
			i++
		}
	}
	return m.version(i), nil
}

// version is that of the migration at an index, NilVersion below the first.
func (m *Migrator) version(i int) int {
	if i < 0 {
		return database.NilVersion
	}
	return int(m.all[i].Version)
}

func (m *Migrator) applied(ctx context.Context, mig Migration) (bool, error) {
	var yes bool
	if err := m.pool.QueryRow(ctx, "SELECT "+mig.Applied).Scan(&yes); err != nil {
		return false, fmt.Errorf("see whether migration %s is applied: %w", mig, err)
	}
	return yes, nil
}

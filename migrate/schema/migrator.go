package schema

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leadgenctl/leadgenctl/campaign"
	"github.com/leadgenctl/leadgenctl/campaign/enumdrop"
)

// Settings of a Migrator. The zero value of each field is usable.
type Settings struct {
	// LockTimeout bounds each wait for a lock: while one waits, every reader behind
	// it waits too. 20 ms when zero.
	LockTimeout time.Duration
	// Deadline bounds the tries for one migration. 60 s when zero.
	Deadline time.Duration
	// AllowRevisions are Alembic revisions of the platform to accept beside KnownRevisions.
	AllowRevisions []string
	// Resolve is what PAUSED campaigns become between the gate and its validation; ""
	// refuses while there are any. Actor is who does it, for the records.
	Resolve campaign.Status
	Actor   string
	// Strategy is how campaignstatus loses PAUSED; "" is enumdrop.Retire. Drop is
	// handed to it; its Type, Value and Step are set here.
	Strategy enumdrop.Strategy
	Drop     enumdrop.Settings
	// OnApplied is told of each migration that ran; up is false for a way back.
	OnApplied func(m Migration, up bool)
	// Step is called at named points between which a process may die; tests kill
	// it there. Nil for none.
	Step func(name string)
}

// Migrator applies and undoes migrations on one database. Not safe for concurrent
// use; two Migrators on one database exclude each other (LockedError).
type Migrator struct {
	pool     *pgxpool.Pool
	all      []Migration
	settings Settings
}

// New returns a Migrator for the pool's database. It connects to nothing.
func New(pool *pgxpool.Pool, s Settings) (*Migrator, error) {
	all, err := Migrations()
	if err != nil {
		return nil, err
	}
	if s.LockTimeout == 0 {
		s.LockTimeout = 20 * time.Millisecond
	}
	if s.Deadline == 0 {
		s.Deadline = time.Minute
	}
	if s.OnApplied == nil {
		s.OnApplied = func(Migration, bool) {}
	}
	if s.Step == nil {
		s.Step = func(string) {}
	}
	return &Migrator{pool: pool, all: all, settings: s}, nil
}

// Pending returns what Up would apply for the target, oldest first.
func (m *Migrator) Pending(ctx context.Context, target string) ([]Migration, error) {
	to, err := resolve(m.all, target)
	if err != nil {
		return nil, err
	}
	at, err := m.at(ctx)
	if err != nil {
		return nil, err
	}
	var out []Migration
	for _, mig := range m.all[at+1:] {
		if mig.Version <= to {
			out = append(out, mig)
		}
	}
	return out, nil
}

// Undone returns what Down would undo for the target, newest first.
func (m *Migrator) Undone(ctx context.Context, target string) ([]Migration, error) {
	at, err := m.at(ctx)
	if err != nil {
		return nil, err
	}
	to := max(at-1, -1)
	switch target {
	case "":
	case All:
		to = -1
	default:
		v, err := resolve(m.all, target)
		if err != nil {
			return nil, err
		}
		to = m.index(v)
	}
	var out []Migration
	for ; at > to; at-- {
		out = append(out, m.all[at])
	}
	return out, nil
}

// Up applies what is pending up to the target (a version, a name, Base or Latest).
func (m *Migrator) Up(ctx context.Context, target string) error {
	if err := m.checkRevision(ctx); err != nil {
		return err
	}
	return m.run(ctx, func(mg *migrate.Migrate, _ *driver) error {
		pending, err := m.Pending(ctx, target)
		if err != nil {
			return err
		}
		if err := m.steps(ctx, mg, pending, true); err != nil {
			return err
		}
		return m.removePhysically(ctx, target)
	})
}

// Down goes back to the target, which stays applied; "" means one step, and All
// everything, our schema included.
func (m *Migrator) Down(ctx context.Context, target string) error {
	return m.run(ctx, func(mg *migrate.Migrate, d *driver) error {
		undone, err := m.Undone(ctx, target)
		if err != nil {
			return err
		}
		if err := m.steps(ctx, mg, undone, false); err != nil || target != All {
			return err
		}
		return m.removeSchema(d)
	})
}

func (m *Migrator) steps(ctx context.Context, mg *migrate.Migrate, steps []Migration, up bool) error {
	for _, mig := range steps {
		if err := m.step(ctx, mg, mig, up); err != nil {
			return err
		}
	}
	return nil
}

// All is the target of a Down that leaves no trace of us.
const All = "all"

// run holds the lock for the whole of do, with the version table in place and mended.
func (m *Migrator) run(ctx context.Context, do func(*migrate.Migrate, *driver) error) error {
	d := &driver{ctx: ctx, pool: m.pool, lockTimeout: m.settings.LockTimeout}
	defer d.release()
	if err := d.Lock(); err != nil {
		return err
	}
	if err := ensureVersionTable(ctx, m.pool, d); err != nil {
		return err
	}
	if err := m.mend(ctx, d); err != nil {
		return err
	}
	sub, err := fs.Sub(files, "sql")
	if err != nil {
		return fmt.Errorf("open the embedded migrations: %w", err)
	}
	src, err := iofs.New(sub, ".")
	if err != nil {
		return fmt.Errorf("open the embedded migrations: %w", err)
	}
	mg, err := migrate.NewWithInstance("iofs", src, "leadgenctl", d)
	if err != nil {
		return fmt.Errorf("prepare the migrations: %w", err)
	}
	return do(mg, d)
}

func ensureVersionTable(ctx context.Context, pool *pgxpool.Pool, d *driver) error {
	var there bool
	if err := pool.QueryRow(ctx, "SELECT to_regclass('leadgenctl.schema_migrations') IS NOT NULL").Scan(&there); err != nil {
		return fmt.Errorf("look for the version table: %w", err)
	}
	if there {
		return nil
	}
	err := d.exec(`CREATE SCHEMA IF NOT EXISTS leadgenctl;
		CREATE TABLE IF NOT EXISTS leadgenctl.schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)`)
	if err != nil {
		return fmt.Errorf("make the version table: %w", err)
	}
	return nil
}

func (m *Migrator) removeSchema(d *driver) error {
	if err := d.exec("DROP TABLE leadgenctl.schema_migrations; DROP SCHEMA leadgenctl"); err != nil {
		return fmt.Errorf("remove the schema leadgenctl: %w", err)
	}
	return nil
}

// step runs one migration, again while it only fails to get a lock.
func (m *Migrator) step(ctx context.Context, mg *migrate.Migrate, mig Migration, up bool) error {
	n := 1
	if !up {
		n = -1
	}
	err := m.patiently(ctx, mig, func() error {
		m.settings.Step("before:" + mig.Name)
		if !up && mig.Name == dropName {
			if err := m.abandonDrop(ctx); err != nil {
				return backoff.Permanent(err)
			}
		}
		if up && mig.Name == "campaign_gate_valid" {
			if err := m.resolvePaused(ctx); err != nil {
				return backoff.Permanent(err)
			}
		}
		err := mg.Steps(n)
		m.settings.Step("after:" + mig.Name)
		if err == nil {
			return nil
		}
		if mendErr := m.mendAfter(ctx, err); mendErr != nil {
			return backoff.Permanent(errors.Join(err, mendErr))
		}
		return lockOrExplain(mig, err)
	})
	if err != nil {
		return err
	}
	m.settings.OnApplied(mig, up)
	if !up && mig.Name == firstBeyondBase {
		return m.restorePaused(ctx)
	}
	return nil
}

// patiently tries again while a try of the migration only fails to get a lock.
func (m *Migrator) patiently(ctx context.Context, mig Migration, try func() error) error {
	tries := 0
	b := backoff.NewExponentialBackOff() // jittered by half
	b.InitialInterval, b.MaxInterval = 10*m.settings.LockTimeout, 3*time.Second
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		tries++
		return struct{}{}, try()
	}, backoff.WithBackOff(b), backoff.WithMaxElapsedTime(m.settings.Deadline))
	if pe := postgresError(err); pe != nil && pe.Code == "55P03" {
		return &BlockedError{Migration: mig.String(), Tries: tries, Blockers: blockers(ctx, m.pool)}
	}
	return err
}

// lockOrExplain is how a try ended: one that failed is worth another where only the lock
// could not be had.
func lockOrExplain(mig Migration, err error) error {
	pe := postgresError(err)
	switch {
	case err == nil:
		return nil
	case pe != nil && pe.Code == "55P03":
		return pe
	}
	return backoff.Permanent(explain(mig, err))
}

// resolvePaused moves the last PAUSED campaigns, as told; behind the gate no new one can appear.
func (m *Migrator) resolvePaused(ctx context.Context) error {
	if m.settings.Resolve == "" {
		return nil
	}
	c, err := campaign.New(m.pool)
	if err != nil {
		return err
	}
	_, err = c.ResolvePaused(ctx, campaign.ResolveOptions{To: m.settings.Resolve, Actor: m.settings.Actor})
	return err
}

// explain turns what a migration raised into our own errors.
func explain(mig Migration, err error) error {
	pe := postgresError(err)
	switch {
	case pe == nil:
		return fmt.Errorf("migration %s: %w", mig, err)
	case pe.Code == "P0001" || pe.Code == "23514":
		return &RefusedError{Migration: mig.String(), Message: pe.Message, Hint: pe.Hint}
	default:
		return fmt.Errorf("migration %s: %w", mig, pe)
	}
}

// postgresError finds the server's error; golang-migrate's own type does not unwrap.
func postgresError(err error) *pgconn.PgError {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return pe
	}
	var de database.Error
	if errors.As(err, &de) && errors.As(de.OrigErr, &pe) {
		return pe
	}
	return nil
}

// blockers are the sessions that hold a strong lock on a table of the platform now.
func blockers(ctx context.Context, pool *pgxpool.Pool) []string {
	rows, err := pool.Query(ctx, `SELECT DISTINCT format('pid %s, user %s, application %s, %s for %s: %s', a.pid, a.usename, a.application_name,
			a.state, date_trunc('second', clock_timestamp() - a.xact_start), left(a.query, 80))
		FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE l.relation IN (to_regclass('campaigns'), to_regclass('jobs')) AND l.granted AND a.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL`)
	if err != nil {
		return nil
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if rows.Scan(&s) == nil {
			out = append(out, s)
		}
	}
	return out
}

package schema

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// lockKey is the advisory lock of this package, in the two-integer form: "lgc", "mig".
const lockClass, lockObject = 0x6c6763, 0x6d6967

// driver is golang-migrate's way to the database. The library's own pgx driver
// takes a session lock and waits for it for ever: behind PgBouncer in transaction
// mode that lock is left on another session, and a person never hears who holds
// it. Here the lock belongs to a transaction that stays open, and is tried, not
// awaited.
type driver struct {
	ctx  context.Context // of the one run that the driver serves; golang-migrate passes none
	pool *pgxpool.Pool
	lock pgx.Tx

	lockTimeout time.Duration
}

var _ database.Driver = (*driver)(nil)

func (d *driver) Open(string) (database.Driver, error) {
	return nil, errors.New("the driver serves the pool that it was made with")
}

func (d *driver) Close() error { return nil }

func (d *driver) Lock() error {
	if d.lock != nil {
		return nil // held for the whole run
	}
	tx, err := d.pool.Begin(d.ctx)
	if err != nil {
		return fmt.Errorf("take the migration lock: %w", err)
	}
	var got bool
	err = tx.QueryRow(d.ctx, `SELECT pg_try_advisory_xact_lock($1, $2)
		FROM set_config('idle_in_transaction_session_timeout', '0', true)`, lockClass, lockObject).Scan(&got)
	if err == nil && !got {
		err = &LockedError{Holder: d.holder(tx)}
	}
	if err != nil {
		_ = tx.Rollback(context.WithoutCancel(d.ctx))
		return err
	}
	d.lock = tx
	return nil
}

// holder says who has the lock, in the words of pg_stat_activity.
func (d *driver) holder(tx pgx.Tx) string {
	var who string
	err := tx.QueryRow(d.ctx, `SELECT format('pid %s, user %s, application %s, from %s, since %s', a.pid, a.usename,
			a.application_name, coalesce(host(a.client_addr), 'the same host'), to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"'))
		FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE l.locktype = 'advisory' AND l.granted AND l.classid = $1::int::oid AND l.objid = $2::int::oid
			AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
		LIMIT 1`, lockClass, lockObject).Scan(&who)
	if err != nil {
		return "a session that has ended by now"
	}
	return who
}

func (d *driver) Unlock() error { return nil }

// release ends the run: the lock goes with its transaction.
func (d *driver) release() {
	if d.lock != nil {
		_ = d.lock.Rollback(context.WithoutCancel(d.ctx))
		d.lock = nil
	}
}

// Run executes one file as one transaction, with a bounded wait for locks.
func (d *driver) Run(migration io.Reader) error {
	sql, err := io.ReadAll(migration)
	if err != nil {
		return fmt.Errorf("read the migration: %w", err)
	}
	head := fmt.Sprintf("SET LOCAL lock_timeout = '%dms';\n", d.lockTimeout.Milliseconds())
	return d.exec(head + string(sql))
}

// exec sends statements in one simple query, which PostgreSQL runs in one transaction.
func (d *driver) exec(sql string) error {
	c, err := d.pool.Acquire(d.ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	results, err := c.Conn().PgConn().Exec(d.ctx, "BEGIN;\n"+sql+"\n;COMMIT").ReadAll()
	if err != nil {
		_, _ = c.Conn().PgConn().Exec(context.WithoutCancel(d.ctx), "ROLLBACK").ReadAll()
		return err
	}
	for _, r := range results {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}

func (d *driver) SetVersion(version int, dirty bool) error {
	sql := "DELETE FROM leadgenctl.schema_migrations"
	if version >= 0 || version == database.NilVersion && dirty {
		sql += fmt.Sprintf("; INSERT INTO leadgenctl.schema_migrations (version, dirty) VALUES (%d, %t)", version, dirty)
	}
	if err := d.exec(sql); err != nil {
		return fmt.Errorf("write the version table: %w", err)
	}
	return nil
}

func (d *driver) Version() (int, bool, error) { return readVersion(d.ctx, d.pool) }

// readVersion returns database.NilVersion where nothing is installed.
func readVersion(ctx context.Context, db querier) (version int, dirty bool, err error) {
	err = db.QueryRow(ctx, "SELECT version, dirty FROM leadgenctl.schema_migrations LIMIT 1").Scan(&version, &dirty)
	var pe *pgconn.PgError
	switch {
	case errors.Is(err, pgx.ErrNoRows), errors.As(err, &pe) && (pe.Code == "42P01" || pe.Code == "3F000"):
		return database.NilVersion, false, nil
	case err != nil:
		return 0, false, fmt.Errorf("read the version table: %w", err)
	}
	return version, dirty, nil
}

func (d *driver) Drop() error { return errors.New("leadgenctl never drops a whole database") }

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

package enumdrop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Statement is one statement of a drop, and what it costs the others.
type Statement struct {
	SQL   string
	Lock  string // "" for none on a table of the platform
	Table string
	Work  string // "looks at no row", "scans it" or "rewrites it"
}

// brief is a statement that needs its lock for an instant.
func brief(table, lock, sql string) Statement {
	return Statement{SQL: sql, Lock: lock, Table: table, Work: "looks at no row"}
}

// transaction runs statements as one transaction with a short wait for locks, again
// with jittered delays while that is all it fails on.
func (d *Dropper) transaction(ctx context.Context, what string, timeout time.Duration, statements []Statement) error {
	d.s.Step("before:" + what)
	var sql strings.Builder
	fmt.Fprintf(&sql, "BEGIN; SET LOCAL lock_timeout = '%dms'; SET LOCAL statement_timeout = '%dms';\n", d.s.LockTimeout.Milliseconds(), timeout.Milliseconds())
	for _, s := range statements {
		sql.WriteString(s.SQL + ";\n")
	}
	sql.WriteString("COMMIT")
	tries := 0
	try := func() (struct{}, error) {
		tries++
		err := d.simple(ctx, sql.String())
		if err != nil && code(err) != "55P03" {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}
	b := backoff.NewExponentialBackOff() // jittered by half
	b.InitialInterval, b.MaxInterval = 10*d.s.LockTimeout, time.Second
	_, err := backoff.Retry(ctx, try, backoff.WithBackOff(b), backoff.WithMaxElapsedTime(d.s.Deadline))
	switch {
	case code(err) == "55P03":
		return &BlockedError{What: what, Tries: tries, Blockers: d.blockers(ctx)}
	case code(err) == "P0001":
		var pe *pgconn.PgError
		errors.As(err, &pe)
		return &RefusedError{Reason: pe.Message, Hint: pe.Hint}
	case err != nil:
		return fmt.Errorf("%s of %s: %w", what, d.s.Type, err)
	}
	d.s.Step("after:" + what)
	return nil
}

// simple sends statements as one simple query: nothing is prepared, so that a pooler
// in transaction mode serves it.
func (d *Dropper) simple(ctx context.Context, sql string) error {
	c, err := d.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	if _, err = c.Conn().PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		_, _ = c.Conn().PgConn().Exec(context.WithoutCancel(ctx), "ROLLBACK").ReadAll()
	}
	return err
}

func code(err error) string {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return pe.Code
	}
	return ""
}

// blockers are the sessions that hold a lock on a table with the type now.
func (d *Dropper) blockers(ctx context.Context) []string {
	rows, err := d.pool.Query(ctx, `SELECT DISTINCT format('pid %s, user %s, application %s, %s for %s: %s', a.pid, a.usename, a.application_name,
			a.state, date_trunc('second', clock_timestamp() - a.xact_start), left(a.query, 80))
		FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_attribute t ON t.attrelid = l.relation
		WHERE t.atttypid = to_regtype($1) AND l.granted AND a.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL`, d.s.Type)
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

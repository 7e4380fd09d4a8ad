package queue

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// The advisory locks of a database, in the form of one number.
const (
	advisoryLock = 0x6c65616467656e71 // "leadgenq" in ASCII: orders all changes of job state
	rampLock     = 0x6c65616467656e72 // "leadgenr" in ASCII: held by who is at work on a ramp
)

// AtWork says what is being done to the jobs of a database at a moment.
type AtWork struct {
	Transition bool // jobs are paused, resumed or put into the outbox: the breaker and they do not agree until that is done
	Ramp       bool // a paced resume: jobs stay paused until it is their turn
}

// ReadAtWork looks. Rights to read are enough.
func ReadAtWork(ctx context.Context, q interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}) (at AtWork, err error) {
	err = q.QueryRow(ctx, `SELECT coalesce(bool_or(lock = $1), false), coalesce(bool_or(lock = $2), false)
		FROM (SELECT classid::bigint << 32 | objid::bigint AS lock FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS held`, int64(advisoryLock), int64(rampLock)).Scan(&at.Transition, &at.Ramp)
	return at, databaseError("see who is at work on the jobs", err)
}

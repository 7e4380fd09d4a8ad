package queue

import (
	"context"
	_ "embed"
	"time"

	"github.com/jackc/pgx/v5"
)

// PauseErrorPrefix begins jobs.error of a job that was paused, in the app's wording.
const PauseErrorPrefix = "Paused due to circuit breaker open: "

//go:embed sql/pause.sql
var pauseSQL string

// pauseAll pauses what is active, and takes back what is on its way to the broker.
func pauseAll(ctx context.Context, tx pgx.Tx, epoch int64, reason string) (int64, error) {
	if err := unsupersede(ctx, tx); err != nil {
		return 0, err
	}
	jobs, err := pause(ctx, tx, epoch, reason)
	if err != nil {
		return 0, err
	}
	return jobs, clearOutbox(ctx, tx)
}

// respell mends the label that a revision of the app once added by mistake: jobs that
// the old code paused under it are paused like all others.
func respell(ctx context.Context, tx pgx.Tx) error {
	var there bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_enum WHERE enumtypid = to_regtype('jobstatus') AND enumlabel = 'paused')`).Scan(&there)
	if err != nil || !there {
		return err
	}
	_, err = tx.Exec(ctx, "UPDATE jobs SET status = 'PAUSED' WHERE status = 'paused'")
	return err
}

// pause makes every active job PAUSED and keeps what it was. A job that a worker takes
// meanwhile is active all the same when its row lock is got; one that a worker ends is
// not, and stays as the worker left it.
func pause(ctx context.Context, tx pgx.Tx, epoch int64, reason string) (int64, error) {
	var at time.Time
	if err := tx.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&at); err != nil {
		return 0, err
	}
	tag, err := tx.Exec(ctx, pauseSQL, epoch, at, PauseErrorPrefix+reason)
	if err != nil || tag.RowsAffected() == 0 {
		return 0, err
	}
	_, err = tx.Exec(ctx, "INSERT INTO leadgenctl.job_pauses (epoch, paused_at, error, jobs) VALUES ($1, $2, $3, $4)",
		epoch, at, PauseErrorPrefix+reason, tag.RowsAffected())
	return tag.RowsAffected(), err
}

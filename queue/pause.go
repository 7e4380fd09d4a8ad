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

// pause makes every active job PAUSED and keeps what it was. A job that a worker takes
// meanwhile is active all the same when its row lock is got; one that a worker ends is
// not, and stays as the worker left it.
func pause(ctx context.Context, tx pgx.Tx, epoch int64, reason string) (int64, error) {
	var at time.Time
	if err := tx.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&at); err != nil {
		return 0, err
	}
	var jobs int64
	err := tx.QueryRow(ctx, pauseSQL, epoch, at, PauseErrorPrefix+reason).Scan(&jobs)
	return jobs, err
}

package queue

import (
	"context"
	_ "embed"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

var (
	//go:embed sql/unsupersede.sql
	unsupersedeSQL string
	//go:embed sql/hand_back.sql
	handBackSQL string
)

// unsupersede makes jobs active again whose new task has not made its row yet: it still
// waits, so that a pause must reach it like any other.
func unsupersede(ctx context.Context, tx pgx.Tx) error {
	return withoutConflict(ctx, tx, unsupersedeSQL)
}

// clearOutbox takes what is not sealed off the outbox when the jobs are paused again,
// and gives those jobs their old task ids back: the old message may still be on the
// queue. A batch that is or was sealed may be on the broker already: its jobs keep the
// new ids, and it is emptied, for the next relay to retract. What a relay works on at
// this moment is left to it.
func clearOutbox(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `UPDATE leadgenctl.outbox SET job_ids = '{}', task_ids = '{}', old_task_ids = '{}' WHERE id IN (
			SELECT id FROM leadgenctl.outbox WHERE published_at IS NULL AND (sealed_at IS NOT NULL OR retracted) FOR UPDATE SKIP LOCKED)`)
	if err != nil {
		return err
	}
	return withoutConflict(ctx, tx, handBackSQL)
}

// withoutConflict runs a statement that gives rows task ids. The task of such an id may
// make a row of its own with it at this very moment: the next try sees that row, and a
// pause never fails of it.
func withoutConflict(ctx context.Context, tx pgx.Tx, sql string) error {
	for tries := 3; ; tries-- {
		err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, sql)
			return err
		})
		if tries == 0 || !isUniqueViolation(err) {
			return err
		}
	}
}

func isUniqueViolation(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505"
}

package operations

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Now is how a job is beside what an operation made of it.
type Now string

// The values of Now.
const (
	Unchanged Now = "unchanged" // as the operation left it: it can be taken back
	Restored  Now = "restored"  // as it was before the operation
	Changed   Now = "changed"   // by someone else, since
	Gone      Now = "gone"      // there is no such job any more
)

// Job is one row that an operation changed.
type Job struct {
	ID  int64          `json:"id"`
	Old map[string]any `json:"old"`
	New map[string]any `json:"new"`
	Now Now            `json:"now"`
}

// ErrChanged says that rows are not as the operation left them.
var ErrChanged = errors.New("jobs were changed since")

// rowsSQL are the rows of an operation beside the jobs as they are.
var rowsSQL = `SELECT (x->>'id')::int AS id, x->'old' AS old, x->'new' AS new,
	CASE WHEN j.id IS NULL THEN 'gone' WHEN ` + image("j") + ` = x->'new' THEN 'unchanged' WHEN ` + image("j") + ` = x->'old' THEN 'restored' ELSE 'changed' END AS now
FROM leadgenctl.operations AS o, jsonb_array_elements(o.detail->'jobs') AS x LEFT JOIN jobs AS j ON j.id = (x->>'id')::int
WHERE coalesce(o.detail->>'run', o.id::text) = (SELECT coalesce(detail->>'run', id::text) FROM leadgenctl.operations WHERE id = $1)`

// Jobs returns the rows that an operation changed, with how they are now.
func Jobs(ctx context.Context, pool *pgxpool.Pool, i Info) ([]Job, error) {
	rows, err := pool.Query(ctx, rowsSQL+" ORDER BY 1", i.number)
	if err != nil {
		return nil, fmt.Errorf("read what %s changed: %w", i.ID, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Job])
	if err != nil {
		return nil, fmt.Errorf("read what %s changed: %w", i.ID, err)
	}
	return found, nil
}

// Restore puts the jobs of an operation back exactly as they were, in one transaction
// that is logged as an operation of its own. Where some were changed since it changes
// nothing, and says ErrChanged; with force it puts back the others.
func Restore(ctx context.Context, pool *pgxpool.Pool, i Info, actor string, force bool) (int64, error) {
	var n int64
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		// Nobody changes them between the look and the change.
		if _, err := tx.Exec(ctx, `SELECT FROM jobs WHERE id IN (SELECT id FROM (`+rowsSQL+`) AS r) ORDER BY id FOR UPDATE`, i.number); err != nil {
			return err
		}
		var changed int64
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM (`+rowsSQL+`) AS r WHERE now IN ('changed', 'gone')`, i.number).Scan(&changed); err != nil {
			return err
		}
		if changed > 0 && !force {
			return fmt.Errorf("%s: %d %w", i.ID, changed, ErrChanged)
		}
		run := New(pool, actor, "restore "+i.ID)
		return tx.QueryRow(ctx, restoreSQL, i.number, run.Actor, run.Operation, run.id).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("take back %s (%s): %w", i.ID, i.Operation, err)
	}
	return n, nil
}

var restoreSQL = `WITH r AS (` + rowsSQL + `),
	back AS (UPDATE jobs SET status = (r.old->>'status')::jobstatus, task_id = r.old->>'task_id', error = r.old->>'error',
			updated_at = (r.old->>'updated_at')::timestamp AT TIME ZONE 'UTC', completed_at = (r.old->>'completed_at')::timestamp AT TIME ZONE 'UTC'
		FROM r WHERE jobs.id = r.id AND r.now = 'unchanged' RETURNING jobs.id),
	log AS (INSERT INTO leadgenctl.operations (actor, operation, detail)
		SELECT $2, $3, jsonb_build_object('run', $4::text, 'jobs', jsonb_agg(jsonb_build_object('id', r.id, 'old', r.new, 'new', r.old) ORDER BY r.id))
		FROM r JOIN back USING (id) HAVING count(*) > 0)
	SELECT count(*) FROM back`

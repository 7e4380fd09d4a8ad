package operations

import (
	"context"
	"fmt"
	"strings"
)

// atOnce is how many rows one transaction changes.
const atOnce = 10000

// image is a job's row as it is kept and compared, whatever the session's time zone is.
func image(row string) string {
	return strings.ReplaceAll(`jsonb_build_object('status', R.status, 'task_id', R.task_id, 'error', R.error,
		'updated_at', R.updated_at AT TIME ZONE 'UTC', 'completed_at', R.completed_at AT TIME ZONE 'UTC')`, "R.", row+".")
}

// Change is what becomes of jobs.
type Change struct {
	Where string  // which jobs j are changed; looked at again when they are locked
	Set   string  // what becomes of them, from the old row j
	IDs   []int64 // these only; all when nil
}

// Jobs changes the jobs of a condition, some at a time, each time in one transaction with
// the rows as they were and as they are. told is told how many.
func (r *Run) Jobs(ctx context.Context, c Change, told func(int64)) (total int64, err error) {
	sql := fmt.Sprintf(`WITH old AS (SELECT j.* FROM jobs AS j WHERE j.id > $3::bigint AND ($4::bigint[] IS NULL OR j.id = ANY ($4)) AND %s ORDER BY j.id LIMIT %d FOR UPDATE),
		new AS (UPDATE jobs SET %s FROM old AS j WHERE jobs.id = j.id RETURNING jobs.*),
		log AS (INSERT INTO leadgenctl.operations (actor, operation, detail)
			SELECT $1, $2, jsonb_build_object('run', $5::text, 'jobs', jsonb_agg(jsonb_build_object('id', old.id, 'old', %s, 'new', %s) ORDER BY old.id))
			FROM old JOIN new USING (id) HAVING count(*) > 0)
		SELECT count(*), coalesce(max(id), 0) FROM new`, c.Where, atOnce, c.Set, image("old"), image("new"))
	for last := int64(-1 << 40); ; {
		var n int64
		statement, cancel := r.patient(ctx)
		err := r.Pool.QueryRow(statement, sql, r.Actor, r.Operation, last, c.IDs, r.id).Scan(&n, &last)
		cancel()
		if err != nil {
			return total, fmt.Errorf("change the jobs: %w", err)
		}
		if n == 0 {
			return total, nil
		}
		total += n
		told(n)
	}
}

-- Makes jobs PENDING, gives each its next task id, and puts them into the outbox.
-- $1 epoch, $2 after this job id, $3 at most so many (null: all), $4 jobs a batch
WITH resumed AS (
    UPDATE jobs AS j SET status = 'PENDING', error = NULL, completed_at = NULL, updated_at = now(),
        task_id = gen_random_uuid()::text
    FROM (
        SELECT id, task_id FROM jobs WHERE status = 'PAUSED' AND id > $2 ORDER BY id LIMIT $3
    ) AS was
    WHERE j.id = was.id AND j.status = 'PAUSED'
    RETURNING j.id, j.task_id, was.task_id AS old_task_id
), numbered AS (
    SELECT *, (row_number() OVER () - 1) / $4::bigint AS batch FROM resumed
), batches AS (
    INSERT INTO leadgenctl.outbox (epoch, job_ids, task_ids, old_task_ids)
    SELECT $1, array_agg(id), array_agg(task_id::uuid), array_agg(coalesce(old_task_id, ''))
    FROM numbered GROUP BY batch
)
SELECT count(*), coalesce(max(id), $2) FROM resumed

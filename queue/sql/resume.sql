-- Makes jobs PENDING, gives each its next task id, and puts them into the outbox, in the
-- order in which their old messages were queued: those are looked for from the oldest on.
-- $1 epoch, $2 after this job id, $3 up to this one, $4 jobs a batch, $5 these jobs only
WITH resumed AS (
    UPDATE jobs AS j SET status = 'PENDING', error = NULL, completed_at = NULL, updated_at = now(),
        task_id = gen_random_uuid()::text
    FROM jobs AS was
    WHERE was.id = j.id AND was.status = 'PAUSED' AND j.status = 'PAUSED' AND was.id > $2 AND was.id <= $3
        AND ($5::bigint[] IS NULL OR was.id = ANY ($5))
    RETURNING j.id, j.task_id, was.task_id AS old_task_id
), numbered AS (
    SELECT *, (row_number() OVER (ORDER BY id) - 1) / $4::bigint AS batch FROM resumed
), batches AS (
    INSERT INTO leadgenctl.outbox (epoch, job_ids, task_ids, old_task_ids)
    SELECT $1, array_agg(id), array_agg(task_id::uuid), array_agg(coalesce(old_task_id, ''))
    FROM numbered GROUP BY batch ORDER BY batch
)
SELECT count(*), coalesce(max(id), $2) FROM resumed

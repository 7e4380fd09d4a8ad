-- Puts jobs into the outbox again that are still as they were seen. A superseded job's
-- row does not hold the task that it waits for. Counts how often that was.
-- $1 epoch, $2 job ids, $3 task ids, $4 statuses, $5 jobs a batch
WITH was AS (
    SELECT * FROM unnest($2::int[], $3::text[], $4::text[]) AS u (id, task_id, status)
), resumed AS (
    UPDATE jobs AS j SET status = 'PENDING', error = NULL, completed_at = NULL, updated_at = now(),
        task_id = gen_random_uuid()::text
    FROM was
    WHERE j.id = was.id AND j.status::text = was.status
      AND (was.status = 'CANCELLED' OR j.task_id IS NOT DISTINCT FROM nullif(was.task_id, ''))
    RETURNING j.id, j.task_id, was.task_id AS old_task_id
), counted AS (
    INSERT INTO leadgenctl.lost_tasks AS t (job_id, times) SELECT id, 1 FROM resumed
    ON CONFLICT (job_id) DO UPDATE SET times = t.times + 1
), held AS (
    DELETE FROM leadgenctl.held_jobs WHERE job_id IN (SELECT id FROM resumed)
), superseded AS (
    DELETE FROM leadgenctl.superseded_jobs WHERE job_id IN (SELECT id FROM resumed)
), numbered AS (
    SELECT *, (row_number() OVER (ORDER BY id) - 1) / $5::bigint AS batch FROM resumed
), batches AS (
    INSERT INTO leadgenctl.outbox (epoch, job_ids, task_ids, old_task_ids)
    SELECT $1, array_agg(id), array_agg(task_id::uuid), array_agg(coalesce(old_task_id, ''))
    FROM numbered GROUP BY batch ORDER BY batch
)
SELECT count(*) FROM resumed

-- Ends jobs as FAILED that are still as they were seen, and forgets what was awaited.
-- $1 job ids, $2 task ids, $3 statuses, $4 reasons, $5 attempts
WITH was AS (
    SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::int[]) AS u (id, task_id, status, why, attempts)
), failed AS (
    UPDATE jobs AS j SET status = 'FAILED', error = was.why, completed_at = now(), updated_at = now()
    FROM was
    WHERE j.id = was.id AND j.status::text = was.status
      AND (was.status = 'CANCELLED' OR j.task_id IS NOT DISTINCT FROM nullif(was.task_id, ''))
    RETURNING j.id, was.task_id, was.why, was.attempts
), held AS (
    DELETE FROM leadgenctl.held_jobs WHERE job_id IN (SELECT id FROM failed)
), superseded AS (
    DELETE FROM leadgenctl.superseded_jobs WHERE job_id IN (SELECT id FROM failed)
), counted AS (
    DELETE FROM leadgenctl.lost_tasks WHERE job_id IN (SELECT id FROM failed)
), noted AS (
    INSERT INTO leadgenctl.dispatch_failures (job_id, task_id, attempts, error)
    SELECT id, CASE WHEN task_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN task_id::uuid END, attempts, why FROM failed
)
SELECT count(*) FROM failed

-- Takes batches that nobody has sealed off the outbox, and gives their jobs the old task
-- ids back. Where the old task has made a row of its own with its id meanwhile, the job
-- gives way to that row.
WITH gone AS (
    DELETE FROM leadgenctl.outbox WHERE id IN (
        SELECT id FROM leadgenctl.outbox WHERE published_at IS NULL AND sealed_at IS NULL AND NOT retracted FOR UPDATE SKIP LOCKED)
    RETURNING job_ids, task_ids, old_task_ids
), entry AS (
    SELECT u.*, other.id AS other_id
    FROM gone, unnest(gone.job_ids, gone.task_ids, gone.old_task_ids) AS u (job_id, task_id, old)
    LEFT JOIN jobs AS other ON other.task_id = u.old AND other.id <> u.job_id
)
UPDATE jobs AS j SET
    task_id = CASE WHEN e.other_id IS NULL THEN nullif(e.old, '') ELSE j.task_id END,
    status = CASE WHEN e.other_id IS NULL THEN j.status ELSE 'CANCELLED' END,
    error = CASE WHEN e.other_id IS NULL THEN j.error ELSE 'Superseded by job ' || e.other_id || ', which task ' || e.old || ' made' END,
    completed_at = CASE WHEN e.other_id IS NULL THEN j.completed_at ELSE now() END
FROM entry AS e
WHERE j.id = e.job_id AND j.task_id = e.task_id::text AND j.status = 'PAUSED'

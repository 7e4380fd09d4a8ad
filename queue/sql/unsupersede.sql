-- Takes back that jobs were closed in favour of a task which has not made its row yet, so
-- that they are paused like the others: the task is theirs again.
WITH waiting AS (
    DELETE FROM leadgenctl.superseded_jobs AS s
    WHERE NOT EXISTS (SELECT FROM jobs AS made WHERE made.task_id = s.task_id::text)
      AND NOT EXISTS (SELECT FROM leads AS l WHERE l.id = s.lead_id AND l.enrichment_job_id IS DISTINCT FROM s.job_id::text)
    RETURNING job_id, task_id
)
UPDATE jobs AS j SET status = 'PENDING', task_id = w.task_id::text, error = NULL, completed_at = NULL
FROM waiting AS w
WHERE j.id = w.job_id AND j.status = 'CANCELLED'

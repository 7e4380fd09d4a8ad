-- Makes jobs what they were before they were paused, with the error text that they had;
-- each is still as the pause left it.
-- $1 job ids, $2 their task ids
WITH undone AS (
    UPDATE jobs AS j SET
        status = (CASE WHEN j.updated_at > p.paused_at THEN 'PROCESSING' ELSE 'PENDING' END)::jobstatus,
        error = (SELECT e.error FROM leadgenctl.job_pause_errors AS e WHERE e.epoch = p.epoch AND e.paused_at = p.paused_at AND e.job_id = j.id),
        updated_at = now()
    FROM unnest($1::int[], $2::text[]) AS u (id, task_id), leadgenctl.job_pauses AS p
    WHERE j.id = u.id AND j.task_id = u.task_id AND j.status = 'PAUSED' AND j.error = p.error
      AND j.updated_at IN (p.paused_at, p.paused_at + interval '1 microsecond')
    RETURNING p.epoch, p.paused_at
), noted AS (
    UPDATE leadgenctl.job_pauses AS p SET undone_at = now() WHERE (p.epoch, p.paused_at) IN (SELECT epoch, paused_at FROM undone)
)
SELECT count(*) FROM undone

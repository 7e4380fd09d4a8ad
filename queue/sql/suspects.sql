-- The jobs whose task has left the outbox and should be somewhere, with the status that
-- they wait in, and how often their task was lost before.
-- $1 for how long a task may be on its way, in seconds; $2 only among these jobs, NULL for all
SELECT s.job_id, s.task_id, s.status, coalesce(t.times, 0)
FROM (
    SELECT h.job_id, h.task_id, 'PROCESSING' AS status
    FROM leadgenctl.held_jobs AS h JOIN jobs AS j ON j.id = h.job_id AND j.status = 'PROCESSING' AND j.task_id = h.task_id
    UNION ALL
    -- A task that began has made a row of its own, which may be cleaned up by now, and
    -- has pointed its lead at it.
    SELECT s.job_id, s.task_id::text, 'CANCELLED'
    FROM leadgenctl.superseded_jobs AS s JOIN jobs AS j ON j.id = s.job_id AND j.status = 'CANCELLED'
    WHERE s.at < clock_timestamp() - $1::bigint * interval '1 second'
      AND NOT EXISTS (SELECT FROM jobs AS made WHERE made.task_id = s.task_id::text)
      AND (s.lead_id IS NULL OR EXISTS (SELECT FROM leads AS l WHERE l.id = s.lead_id AND l.enrichment_job_id = s.job_id::text))
    UNION ALL
    SELECT j.id, j.task_id, 'PENDING'
    FROM leadgenctl.outbox AS o, unnest(o.job_ids, o.task_ids) AS u (job, task)
    JOIN jobs AS j ON j.id = u.job AND j.task_id = u.task::text AND j.status = 'PENDING'
    WHERE o.published_at < clock_timestamp() - $1::bigint * interval '1 second'
) AS s LEFT JOIN leadgenctl.lost_tasks AS t ON t.job_id = s.job_id
WHERE $2::int[] IS NULL OR s.job_id = ANY ($2::int[])

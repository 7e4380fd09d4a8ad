-- Pauses every active job in one pass. What was PROCESSING gets a time one microsecond
-- later, which tells it from what was PENDING without a second look at the table.
-- $1 epoch, $2 time of the pause, $3 error text
WITH paused AS (
    UPDATE jobs SET status = 'PAUSED',
        error = CASE WHEN error IS NULL THEN $3 ELSE leadgenctl.keep_pause_error($1, $2, id, error, $3) END,
        updated_at = $2::timestamptz + CASE status WHEN 'PROCESSING' THEN interval '1 microsecond' ELSE interval '0' END
    WHERE status IN ('PENDING', 'PROCESSING')
    RETURNING id, updated_at
), counted AS (
    SELECT coalesce(array_agg(id) FILTER (WHERE updated_at > $2), '{}') AS processing_ids, count(*) AS jobs FROM paused
), kept AS (
    INSERT INTO leadgenctl.job_pauses (epoch, paused_at, error, jobs, processing_ids)
    SELECT $1, $2, $3, jobs, processing_ids FROM counted WHERE jobs > 0
)
SELECT jobs FROM counted

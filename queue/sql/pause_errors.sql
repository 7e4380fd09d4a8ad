-- Keeps the error texts that the pause is about to overwrite; the rows stay locked
-- until it has. $1 epoch, $2 time of the pause
INSERT INTO leadgenctl.job_pause_errors (epoch, paused_at, job_id, error)
SELECT $1, $2, id, error
FROM (
    SELECT id, error FROM jobs
    WHERE error IS NOT NULL AND status IN ('PENDING', 'PROCESSING')
    FOR NO KEY UPDATE
) AS j

-- $1 epoch, $2 time of the pause, $3 error text, $4 how many PENDING jobs were paused
WITH paused AS (
    UPDATE jobs SET status = 'PAUSED', error = $3, updated_at = $2
    WHERE status = 'PROCESSING'
      AND (error IS NULL OR id IN (
          SELECT job_id FROM leadgenctl.job_pause_errors WHERE epoch = $1 AND paused_at = $2))
    RETURNING id
), counted AS (
    SELECT coalesce(array_agg(id), '{}') AS ids, count(*) + $4::bigint AS jobs FROM paused
), kept AS (
    INSERT INTO leadgenctl.job_pauses (epoch, paused_at, error, jobs, processing_ids)
    SELECT $1, $2, $3, jobs, ids FROM counted WHERE jobs > 0
)
SELECT jobs FROM counted

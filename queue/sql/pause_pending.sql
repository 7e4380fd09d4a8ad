-- A row that got an error text only now has not been kept: it is left to the next
-- look. $1 epoch, $2 time of the pause, $3 error text
UPDATE jobs SET status = 'PAUSED', error = $3, updated_at = $2
WHERE status = 'PENDING'
  AND (error IS NULL OR id IN (
      SELECT job_id FROM leadgenctl.job_pause_errors WHERE epoch = $1 AND paused_at = $2))

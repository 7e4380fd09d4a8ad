-- Pauses every active job in one pass. What was PROCESSING gets a time one microsecond
-- later, which tells it from what was PENDING without a list of a million jobs.
-- $1 epoch, $2 time of the pause, $3 error text
UPDATE jobs SET status = 'PAUSED',
    error = CASE WHEN error IS NULL THEN $3 ELSE leadgenctl.keep_pause_error($1, $2, id, error, $3) END,
    updated_at = $2::timestamptz + CASE status WHEN 'PROCESSING' THEN interval '1 microsecond' ELSE interval '0' END
WHERE status IN ('PENDING', 'PROCESSING')

-- applied: NOT EXISTS (SELECT FROM pg_enum e WHERE e.enumtypid = to_regtype('campaignstatus') AND e.enumlabel = 'PAUSED')
-- Retires the label PAUSED: no writer can name it any more. It locks, looks and
-- refuses in one transaction, whoever runs it, and does nothing where the value
-- is gone already.
-- takes: SHARE ROW EXCLUSIVE on campaigns, looks at no row
DO $$
DECLARE
    n bigint;
    gated boolean;
BEGIN
    LOCK TABLE campaigns IN SHARE ROW EXCLUSIVE MODE;
    IF NOT EXISTS (SELECT FROM pg_enum WHERE enumtypid = 'campaignstatus'::regtype AND enumlabel = 'PAUSED') THEN
        RETURN;
    END IF;
    SELECT coalesce(bool_or(convalidated), false) INTO gated FROM pg_constraint
        WHERE conrelid = 'campaigns'::regclass AND conname = 'leadgenctl_campaign_not_paused';
    IF NOT gated THEN -- a validated gate spares the scan under the lock
        SELECT count(*) INTO n FROM campaigns WHERE status::text = 'PAUSED';
        IF n > 0 THEN
            RAISE EXCEPTION 'PAUSED cannot be dropped: % campaigns hold it', n
                USING HINT = 'look at them: leadgenctl campaign check-paused; resolve them: leadgenctl campaign resolve-paused --to RUNNING';
        END IF;
        RAISE EXCEPTION 'PAUSED cannot be dropped: the gate is missing or not validated'
            USING HINT = 'apply the migrations below this one first: leadgenctl migrate up --to campaign_gate_valid';
    END IF;
    ALTER TYPE campaignstatus RENAME VALUE 'PAUSED' TO 'PAUSED__retired';
END
$$;

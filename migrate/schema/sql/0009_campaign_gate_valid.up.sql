-- applied: EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass('campaigns') AND conname = 'leadgenctl_campaign_not_paused' AND convalidated)
-- None is left. The scan runs under SHARE UPDATE EXCLUSIVE: nobody waits for it.
-- takes: ACCESS SHARE on campaigns, scans it
DO $$
DECLARE
    n bigint;
BEGIN
    SELECT count(*) INTO n FROM campaigns WHERE status::text = 'PAUSED';
    IF n > 0 THEN
        RAISE EXCEPTION '% campaigns are PAUSED', n
            USING HINT = 'look at them: leadgenctl campaign check-paused; resolve them: leadgenctl campaign resolve-paused --to RUNNING';
    END IF;
END
$$;
-- takes: SHARE UPDATE EXCLUSIVE on campaigns, scans it
ALTER TABLE campaigns VALIDATE CONSTRAINT leadgenctl_campaign_not_paused;

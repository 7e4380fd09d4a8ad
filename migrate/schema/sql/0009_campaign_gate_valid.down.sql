-- A constraint cannot be made unvalidated: it is dropped and added again, and
-- no row is looked at.
-- takes: ACCESS EXCLUSIVE on campaigns, looks at no row
ALTER TABLE campaigns DROP CONSTRAINT leadgenctl_campaign_not_paused;
-- takes: ACCESS EXCLUSIVE on campaigns, looks at no row
ALTER TABLE campaigns ADD CONSTRAINT leadgenctl_campaign_not_paused
    CHECK (status::text NOT IN ('PAUSED', 'PAUSED__retired')) NOT VALID;

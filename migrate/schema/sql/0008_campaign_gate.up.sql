-- applied: EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass('campaigns') AND conname = 'leadgenctl_campaign_not_paused')
-- No new campaign may become PAUSED. NOT VALID looks at no row, so the lock is
-- short; written with ::text it survives a change of the column's type. The retired
-- name is kept out too: a statement prepared before the renaming writes the label
-- by its number.
-- takes: ACCESS EXCLUSIVE on campaigns, looks at no row
ALTER TABLE campaigns ADD CONSTRAINT leadgenctl_campaign_not_paused
    CHECK (status::text NOT IN ('PAUSED', 'PAUSED__retired')) NOT VALID;

-- takes: ACCESS EXCLUSIVE on campaigns, looks at no row
ALTER TABLE campaigns DROP CONSTRAINT leadgenctl_campaign_not_paused;

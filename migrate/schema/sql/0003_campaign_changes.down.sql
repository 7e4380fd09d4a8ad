DROP TABLE leadgenctl.campaign_changes;

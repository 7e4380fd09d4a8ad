-- applied: to_regclass('leadgenctl.campaign_changes') IS NOT NULL
-- What resolve-paused changed, so that it can be undone exactly: one row per
-- campaign and change. No foreign key: the app deletes campaigns as it likes.
CREATE TABLE leadgenctl.campaign_changes (
    change_id text NOT NULL, -- sorts by time
    campaign_id varchar(36) NOT NULL,
    old_status text NOT NULL, -- text: the enumeration may lose the value
    old_status_message text,
    old_status_error text,
    old_updated_at timestamptz NOT NULL,
    old_completed_at timestamptz,
    old_failed_at timestamptz,
    new_status text NOT NULL,
    new_status_message text,
    new_status_error text,
    new_completed_at timestamptz,
    new_failed_at timestamptz,
    changed_at timestamptz NOT NULL, -- campaigns.updated_at of every row that this change wrote
    actor text NOT NULL,
    undone_at timestamptz,
    undone_by text,
    PRIMARY KEY (change_id, campaign_id)
);

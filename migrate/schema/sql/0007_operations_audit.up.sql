-- applied: to_regclass('leadgenctl.audit_notices') IS NOT NULL
-- What leadgenctl changed in order to mend a finding.
CREATE TABLE leadgenctl.operations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    operation text NOT NULL, -- such as "fix LGB004"
    detail jsonb NOT NULL,   -- what was changed, with the old values
    snapshot_id text         -- of what was there before, where it is kept elsewhere
);

-- One row per audit.
CREATE TABLE leadgenctl.audit_runs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    host text NOT NULL,
    findings bigint NOT NULL, -- checks that failed
    errors bigint NOT NULL,   -- checks that could not run
    report jsonb NOT NULL,    -- as check-consistency -o json prints it
    subjects jsonb            -- hashes of what each check found; NULL once the run is old
);
CREATE INDEX audit_runs_started_at ON leadgenctl.audit_runs (started_at);

-- What each channel was last told of each check, so that it is told only what is
-- new, worse or resolved. Written after a delivery: what failed is told next time.
-- The row without a check is the channel's last message, the rows without a channel are
-- what the log itself has.
CREATE TABLE leadgenctl.audit_notices (
    channel text NOT NULL,
    check_id text NOT NULL,
    count bigint NOT NULL,
    since timestamptz NOT NULL, -- when it was first told
    told_at timestamptz NOT NULL,
    subjects text[] NOT NULL,   -- hashes of what was told, where there are not too many
    seen timestamptz,           -- of a check of events: those before this are told
    PRIMARY KEY (channel, check_id)
);

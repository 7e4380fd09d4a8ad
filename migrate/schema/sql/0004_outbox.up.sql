-- applied: to_regclass('leadgenctl.outbox') IS NOT NULL
-- Tasks on their way to the broker. A row is a batch: as many jobs as one call to
-- the broker takes, in arrays of equal length, so that resuming a million jobs
-- writes a few thousand rows. A job is on its way in one batch at most.
CREATE TABLE leadgenctl.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch uuid NOT NULL DEFAULT gen_random_uuid(), -- what the broker remembers it by
    epoch bigint NOT NULL,
    job_ids integer[] NOT NULL,
    task_ids uuid[] NOT NULL,      -- of the new tasks, fixed before anything is published
    old_task_ids text[] NOT NULL,  -- what jobs.task_id was
    replaces jsonb,                -- job id -> messages that make room; known once sealed
    sealed_at timestamptz,         -- from here on the batch is published as it is, however often
    retracted boolean NOT NULL DEFAULT false, -- it was sealed before: its tasks may be on the broker already
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz       -- kept until no job of it is PENDING any more
);
-- Random ids do not compress: to try costs time.
ALTER TABLE leadgenctl.outbox ALTER COLUMN task_ids SET STORAGE EXTERNAL, ALTER COLUMN old_task_ids SET STORAGE EXTERNAL;
CREATE INDEX outbox_pending ON leadgenctl.outbox (id) WHERE published_at IS NULL;

-- How a resume is paced, so that one that was killed can be continued.
CREATE TABLE leadgenctl.resumes (
    epoch bigint PRIMARY KEY, -- 0 where the breaker was never open
    canary bigint NOT NULL DEFAULT 0,
    canary_wait interval NOT NULL DEFAULT '0',
    rate double precision NOT NULL DEFAULT 0, -- jobs a second; 0 for no limit
    batch bigint NOT NULL DEFAULT 0,
    canary_done boolean NOT NULL DEFAULT false,
    canary_resumed bigint NOT NULL DEFAULT 0,
    jobs_resumed bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    stopped_reason text
);

-- The lead of each paused job whose task wants one: leads.enrichment_job_id has no index.
CREATE TABLE leadgenctl.job_leads (
    job_id integer PRIMARY KEY,
    lead_id text NOT NULL
);

-- Jobs that went back to PROCESSING since a worker still had their task: looked at
-- again until the worker has ended them.
CREATE TABLE leadgenctl.held_jobs (
    job_id integer PRIMARY KEY,
    task_id text NOT NULL,
    worker text,
    epoch bigint NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
);

-- Jobs that were closed because their new task makes a row of its own: kept until
-- that row is there.
CREATE TABLE leadgenctl.superseded_jobs (
    job_id integer PRIMARY KEY,
    task_id uuid NOT NULL,
    lead_id text,
    epoch bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);

-- How often the task of a job was lost after it was published.
CREATE TABLE leadgenctl.lost_tasks (
    job_id integer PRIMARY KEY,
    times integer NOT NULL
);

-- Jobs whose task could not be created.
CREATE TABLE leadgenctl.dispatch_failures (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id integer NOT NULL,
    task_id uuid,
    attempts integer NOT NULL,
    error text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);

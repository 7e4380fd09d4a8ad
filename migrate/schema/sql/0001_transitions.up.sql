-- applied: to_regclass('leadgenctl.breaker_transitions') IS NOT NULL
-- The durable log of the breaker's transitions, and what each pause changed.
CREATE SCHEMA IF NOT EXISTS leadgenctl;

CREATE TABLE leadgenctl.breaker_transitions (
    epoch bigint PRIMARY KEY,
    previous_state text,
    state text NOT NULL CHECK (state IN ('open', 'closed')),
    at timestamptz NOT NULL,
    opened_at timestamptz,
    reason text,
    service text,
    error_type text,
    actor text,
    source text NOT NULL,
    applied_at timestamptz, -- when the jobs were paused or resumed; null while that is not finished
    jobs_affected bigint,
    recorded_at timestamptz NOT NULL DEFAULT now()
);

-- One row per pause. Which job was what is told in the fewest bytes, by the job's own
-- updated_at.
CREATE TABLE leadgenctl.job_pauses (
    epoch bigint NOT NULL REFERENCES leadgenctl.breaker_transitions (epoch),
    paused_at timestamptz NOT NULL, -- jobs.updated_at of every row that this pause changed; 1 µs later where it was PROCESSING
    error text NOT NULL,            -- what the pause wrote to jobs.error
    jobs bigint NOT NULL,
    undone_at timestamptz,
    PRIMARY KEY (epoch, paused_at)
);

-- The few jobs that had an error text when they were paused.
CREATE TABLE leadgenctl.job_pause_errors (
    epoch bigint NOT NULL,
    paused_at timestamptz NOT NULL,
    job_id integer NOT NULL,
    error text NOT NULL,
    PRIMARY KEY (epoch, paused_at, job_id)
);

-- Keeps the error text that a pause is about to overwrite, and returns the new one: called
-- by the pause's own UPDATE, for the few rows that have one, so that it takes one pass.
CREATE FUNCTION leadgenctl.keep_pause_error(epoch bigint, paused_at timestamptz, job_id integer, error text, pause_error text)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO leadgenctl.job_pause_errors AS e VALUES (epoch, paused_at, job_id, error)
    ON CONFLICT ON CONSTRAINT job_pause_errors_pkey DO UPDATE SET error = excluded.error; -- the row was changed meanwhile
    RETURN pause_error;
END $$;

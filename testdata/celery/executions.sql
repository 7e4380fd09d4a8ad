-- The stand-in worker's own log: one row each time a task body begins.
CREATE SCHEMA IF NOT EXISTS worker_log;
CREATE TABLE IF NOT EXISTS worker_log.executions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_id text NOT NULL,
    task_name text NOT NULL,
    job_id integer,
    arguments jsonb NOT NULL,
    worker text,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

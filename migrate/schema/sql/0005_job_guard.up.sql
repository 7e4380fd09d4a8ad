-- applied: to_regclass('leadgenctl.job_guard') IS NOT NULL
-- The guard: a trigger that tests each change of a job's status against the table
-- of legal transitions (package queue, legal). The test is the trigger's WHEN clause,
-- so a legal update calls no function; AFTER, so that it locks no row beforehand.
CREATE TABLE leadgenctl.job_guard (
    one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    mode text NOT NULL CHECK (mode IN ('observe', 'enforce'))
);

CREATE TABLE leadgenctl.job_violations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id integer NOT NULL,
    old_status text NOT NULL,
    new_status text NOT NULL,
    application_name text NOT NULL,
    user_name text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The app's role owns nothing here: the function writes with its owner's rights.
CREATE FUNCTION leadgenctl.guard_job() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- A revision once added a lower-case label: a change of spelling is no transition.
    IF upper(OLD.status::text) = upper(NEW.status::text)
        OR (OLD.status::text = 'paused' AND NEW.status::text <> 'PAUSED') THEN
        RETURN NULL;
    END IF;
    IF (SELECT mode FROM leadgenctl.job_guard) = 'enforce' THEN
        RAISE EXCEPTION 'job %: the transition from % to % is not legal', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
                CONSTRAINT = 'leadgenctl_job_guard',
                HINT = 'The guard of leadgenctl refuses it; "leadgenctl queue guard observe" would record it only.';
    END IF;
    INSERT INTO leadgenctl.job_violations (job_id, old_status, new_status, application_name, user_name)
    VALUES (OLD.id, OLD.status, NEW.status, current_setting('application_name'), session_user);
    RETURN NULL;
END
$$;

INSERT INTO leadgenctl.job_guard (mode) VALUES ('observe');

-- takes: SHARE ROW EXCLUSIVE on jobs, looks at no row
CREATE TRIGGER leadgenctl_job_guard AFTER UPDATE OF status ON jobs
FOR EACH ROW WHEN (OLD.status <> NEW.status AND NOT (
    OLD.status = 'PENDING' AND NEW.status IN ('PROCESSING', 'PAUSED', 'COMPLETED', 'FAILED', 'CANCELLED') OR
    OLD.status = 'PROCESSING' AND NEW.status IN ('PENDING', 'PAUSED', 'COMPLETED', 'FAILED', 'CANCELLED') OR
    OLD.status = 'PAUSED' AND NEW.status IN ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'CANCELLED') OR
    OLD.status = 'FAILED' AND NEW.status IN ('PENDING') OR
    OLD.status = 'CANCELLED' AND NEW.status IN ('PENDING', 'FAILED')))
EXECUTE FUNCTION leadgenctl.guard_job();

-- Holds for every row that the app can read: its own enumeration has no such label.
-- NOT VALID: existing rows are not looked at, and no lock is held for long.
-- takes: ACCESS EXCLUSIVE on jobs, looks at no row
ALTER TABLE jobs ADD CONSTRAINT leadgenctl_status_spelling CHECK (status::text <> 'paused') NOT VALID;

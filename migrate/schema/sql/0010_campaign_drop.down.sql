-- The label comes back: by its name where it was retired, as the last value, where
-- it always stood, when it was dropped.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_enum WHERE enumtypid = 'campaignstatus'::regtype AND enumlabel = 'PAUSED__retired') THEN
        ALTER TYPE campaignstatus RENAME VALUE 'PAUSED__retired' TO 'PAUSED';
    ELSE
        ALTER TYPE campaignstatus ADD VALUE IF NOT EXISTS 'PAUSED';
    END IF;
END
$$;

-- applied: to_regclass('leadgenctl.snapshots') IS NOT NULL
-- What was deleted or replaced, byte for byte, so that it can be put back.
CREATE TABLE leadgenctl.snapshots (
    id text PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    kind text NOT NULL,
    source jsonb NOT NULL, -- the server and database that it was taken from
    checksum text NOT NULL, -- SHA-256 of data, hexadecimal
    data bytea NOT NULL
);

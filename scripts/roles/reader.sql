-- A role that can look and not touch: enough for every read-only command.
-- Run it as the owner of the app's tables after `leadgenctl migrate up --to base`,
-- in the app's database; then set a password: \password leadgenctl_reader
CREATE ROLE leadgenctl_reader LOGIN;
GRANT USAGE ON SCHEMA public, leadgenctl TO leadgenctl_reader;
-- Not the app's other tables: users holds passwords.
GRANT SELECT ON organizations, campaigns, jobs, leads, alembic_version TO leadgenctl_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA leadgenctl TO leadgenctl_reader;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA leadgenctl TO leadgenctl_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA leadgenctl GRANT SELECT ON TABLES TO leadgenctl_reader;
ALTER ROLE leadgenctl_reader SET default_transaction_read_only = on;

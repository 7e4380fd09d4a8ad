-- A role for people and jobs that open and close the breaker, resume jobs and move
-- campaigns. Migrations need the owner of the app's tables; this role cannot run them.
CREATE ROLE leadgenctl_operator LOGIN;
GRANT USAGE ON SCHEMA public, leadgenctl TO leadgenctl_operator;
GRANT SELECT ON organizations, campaigns, jobs, leads, alembic_version TO leadgenctl_operator;
GRANT UPDATE ON jobs, campaigns, leads TO leadgenctl_operator;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA leadgenctl TO leadgenctl_operator;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA leadgenctl TO leadgenctl_operator;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA leadgenctl TO leadgenctl_operator;
ALTER DEFAULT PRIVILEGES IN SCHEMA leadgenctl GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO leadgenctl_operator;
ALTER DEFAULT PRIVILEGES IN SCHEMA leadgenctl GRANT USAGE ON SEQUENCES TO leadgenctl_operator;

-- takes: ACCESS EXCLUSIVE on jobs, looks at no row
ALTER TABLE jobs DROP CONSTRAINT leadgenctl_status_spelling;
-- takes: ACCESS EXCLUSIVE on jobs, looks at no row
DROP TRIGGER leadgenctl_job_guard ON jobs;
DROP FUNCTION leadgenctl.guard_job();
DROP TABLE leadgenctl.job_violations;
DROP TABLE leadgenctl.job_guard;

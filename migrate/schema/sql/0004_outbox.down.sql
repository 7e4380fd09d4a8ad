DROP TABLE leadgenctl.dispatch_failures;
DROP TABLE leadgenctl.lost_tasks;
DROP TABLE leadgenctl.superseded_jobs;
DROP TABLE leadgenctl.held_jobs;
DROP TABLE leadgenctl.job_leads;
DROP TABLE leadgenctl.resumes;
DROP TABLE leadgenctl.outbox;

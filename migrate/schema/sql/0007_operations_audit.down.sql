DROP TABLE leadgenctl.audit_notices;
DROP TABLE leadgenctl.audit_runs;
DROP TABLE leadgenctl.operations;

DROP FUNCTION leadgenctl.keep_pause_error;
DROP TABLE leadgenctl.job_pause_errors;
DROP TABLE leadgenctl.job_pauses;
DROP TABLE leadgenctl.breaker_transitions;

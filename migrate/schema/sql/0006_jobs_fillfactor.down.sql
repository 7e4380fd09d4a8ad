-- takes: SHARE UPDATE EXCLUSIVE on jobs, looks at no row
ALTER TABLE jobs RESET (fillfactor);

-- applied: EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('jobs') AND 'fillfactor=45' = ANY (reloptions))
-- Pages are left half empty from now on, so that a change of status finds room
-- beside the old row: such an update is HOT and touches no index. Takes SHARE UPDATE
-- EXCLUSIVE, which blocks neither readers nor writers. Pages that are full already
-- follow as their rows are updated, or at once with pg_repack or VACUUM FULL.
-- takes: SHARE UPDATE EXCLUSIVE on jobs, looks at no row
ALTER TABLE jobs SET (fillfactor = 45);

DROP TABLE leadgenctl.snapshots;

package state

// The steps of Apply and Rollback, in order, as told to Settings.Step. A process
// may die at any of them.
const (
	StepPlanned         = "migrate-planned"          // nothing has been written
	StepSnapshotWritten = "migrate-snapshot-written" // a file snapshot has no name yet
	StepSnapshotSaved   = "migrate-snapshot-saved"   // the snapshot is durable
	StepMarked          = "migrate-marked"           // Redis knows that a migration is under way
	StepSwitched        = "migrate-switched"         // the global key is written
	StepVerified        = "migrate-verified"         // and was read back
	StepDeletedKey      = "migrate-deleted-key"      // on Cluster, after each slot's key
	StepDeleted         = "migrate-deleted"          // the old keys are gone
	StepDone            = "migrate-done"             // Redis knows that the migration is complete
	StepRollbackPlanned = "rollback-planned"         // nothing has been written
	StepRollbackSaved   = "rollback-snapshot-saved"  // what is there now is in a snapshot of its own
	StepRestoredKey     = "rollback-restored-key"    // after each old key
	StepRestoredGlobal  = "rollback-restored-global" // the global key is as it was
	StepRollbackChecked = "rollback-verified"        // every key was compared
	StepRollbackDone    = "rollback-marked"          // Redis knows that the migration was rolled back
)

// MigrateSteps are the steps of Apply on a single Redis, in order.
var MigrateSteps = []string{StepPlanned, StepSnapshotWritten, StepSnapshotSaved, StepMarked, StepSwitched,
	StepVerified, StepDeletedKey, StepDeleted, StepDone}

// RollbackSteps are the steps of Rollback, in order.
var RollbackSteps = []string{StepRollbackPlanned, StepRollbackSaved, StepRestoredKey, StepRestoredGlobal,
	StepRollbackChecked, StepRollbackDone}

func step(hook func(string), name string) {
	if hook != nil {
		hook(name)
	}
}

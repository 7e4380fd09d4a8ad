// Package state carries the breaker's state from the old format of Redis keys,
// a set per service, to the one global key, and back.
//
// A migration is planned from what is there (Migrator.Plan), snapshot, switched
// by one atomic compare-and-write of the global key, verified, and only then are
// the old keys deleted, each only if it still holds what the snapshot holds. A
// process that is killed at any point leaves a state that the next Apply
// completes. Rollback puts every key back byte for byte.
//
// The package works on a single Redis, Sentinel and Cluster. It never deletes by
// pattern and never touches a key whose name it was not told to.
package state

package breaker

import "time"

// Sources of a transition: who wrote it.
const (
	SourceLeadgenctl   = "leadgenctl"    // this package: a person, or a failure that a Go service recorded
	SourcePython       = "python"        // the app, or anything else that wrote the key without an epoch
	SourceMigrateState = "migrate-state" // carried over from the per-service keys
	SourceRollback     = "rollback"      // put back as it was before
)

// Transition is the outcome of a change: what the breaker is now and since when.
// Where Changed is false, Epoch and what follows it describe the transition that
// made the present state.
type Transition struct {
	Changed  bool      // this call changed the state
	Previous State     // before this call; when not Changed, the same as State
	State    State     // now
	Epoch    int64     // the number of the transition that made State; 0 for a breaker that was never open
	At       time.Time // of that transition
	OpenedAt time.Time // first opened; of a closed breaker, when it was last opened
	ClosedAt time.Time // zero while open

	Reason    string // why
	Service   string // the third-party service that failed, if one did
	ErrorType string // the app's class of the failure, such as http_5xx
	Actor     string // the person or process
	Source    string // one of the sources above

	Failures int64 // failures counted since the breaker opened, the first included

	// What the call found and mended on its way:

	Adopted       *Transition // a foreign change that was given an epoch
	Restored      bool        // the key had been lost and was put back
	Persisted     bool        // a time to live was removed
	OpenedAtReset bool        // a renewed opened_at was set back to the first
	Renumbered    bool        // Redis had begun again at an old epoch; the present state got a new one
	Replaced      []byte      // the malformed value that was replaced, if one was
}

package queue

import "github.com/leadgenctl/leadgenctl/breaker"

// Result is what a call has done.
type Result struct {
	Transition breaker.Transition // of the breaker; Changed tells whether this call made it
	Findings   []Finding          // what was found half-done or foreign, and what became of it

	JobsPaused  int64 // PENDING and PROCESSING jobs that became PAUSED
	JobsResumed int64 // PAUSED jobs that became PENDING
	JobsUndone  int64 // PAUSED jobs that became what they were, with their own task
	JobsLeft    int64 // jobs that are still PAUSED where a resume stopped

	Dispatched
}

// FindingKind names something that Redis, PostgreSQL and the broker disagreed on.
type FindingKind string

// The kinds of findings.
const (
	FoundForeign    FindingKind = "foreign_transition" // the breaker was opened or closed by somebody who gave it no epoch
	FoundLostKey    FindingKind = "lost_key"           // the key of an open breaker had vanished
	FoundLostState  FindingKind = "lost_state"         // Redis did not know a transition that PostgreSQL knows
	FoundTTL        FindingKind = "ttl"                // the key would have expired, and so closed the breaker
	FoundReopenedAt FindingKind = "reopened_at"        // a later failure had overwritten when the breaker opened
	FoundRenumbered FindingKind = "renumbered"         // an emptied Redis had begun again at epoch 1
	FoundUnrecorded FindingKind = "unrecorded"         // a transition that PostgreSQL did not know
	FoundUnapplied  FindingKind = "unapplied"          // a transition that the jobs had not followed
	FoundActiveJobs FindingKind = "active_jobs"        // jobs that are active while the breaker is open
	FoundPausedJobs FindingKind = "paused_jobs"        // jobs that are paused while the breaker is closed
	FoundRamp       FindingKind = "ramp"               // a paced resume that was interrupted
	FoundOutbox     FindingKind = "outbox"             // tasks that were not on the broker yet
	FoundLostTasks  FindingKind = "lost_tasks"         // jobs whose task is nowhere any more

	FoundUnknownTasks FindingKind = "unknown_tasks" // jobs whose task may be nowhere, or with a worker that cannot be asked
)

// Finding is one difference and what was done about it.
type Finding struct {
	Kind   FindingKind `json:"kind"`
	Epoch  int64       `json:"epoch,omitempty"`
	Jobs   int64       `json:"jobs,omitempty"` // how many jobs it concerns
	Detail string      `json:"detail"`         // what differs
	Action string      `json:"action"`         // what was done about it, or would be
	Loud   bool        `json:"loud"`           // a person should know at once
}

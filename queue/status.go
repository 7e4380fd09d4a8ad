package queue

import "slices"

// Status of a job, as the app's enum jobstatus spells it.
type Status string

// The statuses.
const (
	Pending    Status = "PENDING"    // waits for a worker
	Processing Status = "PROCESSING" // a worker has it
	Paused     Status = "PAUSED"     // waits for the breaker to close
	Completed  Status = "COMPLETED"  // final
	Failed     Status = "FAILED"     // ends unless a person retries it
	Cancelled  Status = "CANCELLED"  // given up, or superseded by another job
)

// Statuses in the order in which they are shown.
var Statuses = []Status{Pending, Processing, Paused, Completed, Failed, Cancelled}

// Active says whether opening the breaker pauses a job of this status.
func (s Status) Active() bool { return s == Pending || s == Processing }

// legal is the one table of legal transitions: the database guard is rendered
// from it. A worker may end a job that was paused, or paused and resumed, under it,
// since that is what happened: refusing it would make the job run again.
var legal = map[Status][]Status{
	Pending:    {Processing, Paused, Completed, Failed, Cancelled},
	Processing: {Pending, Paused, Completed, Failed, Cancelled},
	Paused:     {Pending, Processing, Completed, Failed, Cancelled},
	Failed:     {Pending},
	Cancelled:  {Pending, Failed}, // its new task was lost, or a person retries it; or it was lost for good
}

// CanBecome says whether the transition from s to next is legal. A status may
// always stay what it is.
func (s Status) CanBecome(next Status) bool {
	return s == next || slices.Contains(legal[s], next)
}

// Next returns the statuses that s may become, in a fixed order.
func (s Status) Next() []Status { return slices.Clone(legal[s]) }

// JobType is the kind of a job, as the app's enum jobtype spells it.
type JobType string

// The platform's job types.
const (
	FetchLeads      JobType = "FETCH_LEADS"
	EnrichLead      JobType = "ENRICH_LEAD"
	CleanupCampaign JobType = "CLEANUP_CAMPAIGN"
)

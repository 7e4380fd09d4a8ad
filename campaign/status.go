// Package campaign knows what statuses campaigns have, finds those that are still
// PAUSED, and moves them off that status in a way that can be undone exactly.
//
// Campaigns no longer pause: while the circuit breaker is open they stay RUNNING.
// The application's new code fails on a row that says PAUSED, so those rows must go
// before it is deployed. The package knows PostgreSQL and nothing of commands.
package campaign

import "slices"

// Status is a value of the app's enumeration campaignstatus.
type Status string

// The statuses. Paused is of the old rules: no campaign may have it any more.
const (
	Created   Status = "CREATED"
	Running   Status = "RUNNING"
	Completed Status = "COMPLETED"
	Failed    Status = "FAILED"
	Paused    Status = "PAUSED"
	// Retired is what Paused is called once the enumeration's value has been retired
	// by renaming it, which takes no rewrite of the table.
	Retired Status = "PAUSED__retired"
)

// Statuses are those of the new rules, in the order in which they are shown.
var Statuses = []Status{Created, Running, Completed, Failed}

// legal is the one table of transitions. Completed and Failed are final. Paused is
// left to the statuses that ResolvePaused knows.
var legal = map[Status][]Status{
	Created: {Running, Failed},
	Running: {Completed, Failed},
	Paused:  {Running, Created, Failed},
}

// Targets are the statuses to which a paused campaign can be moved; the first is the default.
var Targets = legal[Paused]

// CanBecome says whether the rules allow the transition from s to next.
func (s Status) CanBecome(next Status) bool { return slices.Contains(legal[s], next) }

// Final says whether nothing follows s.
func (s Status) Final() bool { return s == Completed || s == Failed }

// pausedLabels are all names of the status that campaigns must leave.
var pausedLabels = []string{string(Paused), string(Retired)}

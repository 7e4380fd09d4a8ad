// Package consistency is the catalogue of checks over the platform's three stores,
// PostgreSQL, Redis and the broker, and the runner that looks at them.
//
// The PostgreSQL checks of a look share one read-only repeatable-read transaction.
// A check that compares stores looks twice before it reports, so that work in
// flight is no finding. A check that cannot run is an error and never a pass.
package consistency

import (
	"context"
)

// Severity says how bad a finding is.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // jobs are lost, run twice or stand still, or the app fails
	Warning Severity = "warning" // it works, and will not for long
	Info    Severity = "info"    // worth knowing; never fails a run
)

// Family groups checks by what they are about.
type Family string

// The families; the letter after LG in a check's id is theirs.
const (
	Breaker     Family = "breaker"
	Queue       Family = "queue"
	Campaign    Family = "campaign"
	Schema      Family = "schema"
	Environment Family = "environment"
)

// store is a set of servers that a check reads.
type store int

const (
	postgres store = 1 << iota
	redisServer
	broker
)

// Check is one entry of the catalogue. Ids are for ever: a retired one is never
// used again.
type Check struct {
	ID       string
	Family   Family
	Title    string // what is wrong when it fails, in a few words
	Severity Severity
	Meaning  string // what it means
	Remedy   string // what to do, for someone who was woken by it
	Reads    string // the query, or what is read, for `explain` and the docs

	needs   store
	twice   bool    // compares stores: report only what two looks agree on
	events  bool    // finds what happened since Options.Since, which no one can undo
	table   *rowSet // for a check of rows: how they are found
	inspect func(context.Context, *look, *Check) (outcome, error)
	fix     *fix
}

// Fixable says whether --fix can mend what the check finds.
func (c *Check) Fixable() bool { return c.fix != nil }

// Events says whether the check finds what happened, newest first, and not what is.
func (c *Check) Events() bool { return c.events }

// outcome is what one look of one check found.
type outcome struct {
	count    int64
	samples  []string // at most Options.MaxSamples, each naming a row or a key
	subjects []string // what was found, at most maxSubjects
	names    []string // of the subjects, in their order: as samples name them
	single   bool     // the subject is the check's one thing, whatever its text says
	texts    bool     // the subjects are texts, identified by what stands before ": "
	skip     string   // why the check does not apply here
	note     string   // what it could not look at, where it ran all the same
}

// maxSubjects bounds how many subjects a look remembers for the next one.
const maxSubjects = 10000

// one is a finding about a single thing.
func one(sample string) outcome {
	return outcome{count: 1, samples: []string{sample}, subjects: []string{sample}, names: []string{sample}, single: true}
}

// many makes an outcome of all samples, keeping as many as are shown.
func many(l *look, samples []string) outcome {
	o := outcome{count: int64(len(samples)), subjects: samples, names: samples, texts: true}
	o.samples = samples[:min(len(samples), l.options.MaxSamples)]
	return o
}

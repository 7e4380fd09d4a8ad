package consistency

import "time"

// Status is how a check ended.
type Status string

// The statuses.
const (
	Pass    Status = "pass"
	Fail    Status = "fail"  // it found something
	Errored Status = "error" // it could not run
	Skip    Status = "skip"  // it was not asked for, or does not apply here
)

// Result is what one check found. The JSON is relied upon by scripts.
type Result struct {
	ID         string   `json:"id"`
	Family     Family   `json:"family"`
	Title      string   `json:"title"`
	Severity   Severity `json:"severity"`
	Status     Status   `json:"status"`
	Count      int64    `json:"count"`
	Samples    []string `json:"samples"` // each names a row or a key
	Remedy     string   `json:"remedy"`
	Fixable    bool     `json:"fixable"`
	DurationMS float64  `json:"duration_ms"`
	Message    string   `json:"message,omitempty"` // why it could not run, or was skipped
	Known      int64    `json:"known,omitempty"`   // of Count: covered by the baseline

	Subjects    []Subject `json:"-"` // what was found, at most 1,000, so that it is known again
	KnownReason string    `json:"-"` // of the baseline
}

// Summary counts the results.
type Summary struct {
	Pass  int `json:"pass"`
	Fail  int `json:"fail"`
	Error int `json:"error"`
	Skip  int `json:"skip"`
}

// Report is one run of the catalogue.
type Report struct {
	StartedAt  time.Time `json:"started_at"`
	DurationMS float64   `json:"duration_ms"`
	Version    string    `json:"version,omitempty"`
	Checks     []Result  `json:"checks"`
	Summary    Summary   `json:"summary"`
}

// FailOn says which findings fail a run.
type FailOn string

// The values of FailOn.
const (
	FailOnError   FailOn = "error"   // findings of severity error
	FailOnWarning FailOn = "warning" // and warnings
	FailOnNever   FailOn = "never"
)

// Valid says whether f is one of the constants.
func (f FailOn) Valid() bool { return f == FailOnError || f == FailOnWarning || f == FailOnNever }

// Fails says whether r is a finding that fails the run. What the baseline covers does not.
func (f FailOn) Fails(r Result) bool {
	if r.Status != Fail || r.Known >= r.Count {
		return false
	}
	switch f {
	case FailOnError:
		return r.Severity == Error
	case FailOnWarning:
		return r.Severity == Error || r.Severity == Warning
	}
	return false
}

// Failed counts the findings that fail the run.
func (r *Report) Failed(f FailOn) int {
	n := 0
	for _, c := range r.Checks {
		if f.Fails(c) {
			n++
		}
	}
	return n
}

func (r *Report) summarize() {
	r.Summary = Summary{}
	for _, c := range r.Checks {
		switch c.Status {
		case Pass:
			r.Summary.Pass++
		case Fail:
			r.Summary.Fail++
		case Errored:
			r.Summary.Error++
		case Skip:
			r.Summary.Skip++
		}
	}
}

package state

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// Verdict is what the old keys say together.
type Verdict struct {
	State    breaker.State
	OpenedAt time.Time // the earliest evidence; zero while closed
	// Explicit says that some key states a circuit's state or a pause; counters alone do not.
	Explicit bool
	Reasons  []string // why, one sentence a service, openers first

	Latest   LatestFailure
	Services []ServiceSummary // by name
	Events   []breaker.Event  // the past, oldest first
}

// LatestFailure is the last failure that any key tells of.
type LatestFailure struct {
	At        time.Time // zero when no key tells of a failure
	Service   string
	Error     string
	ErrorType string
}

// ServiceSummary is what remains of one service's keys in the global key's metadata.
type ServiceSummary struct {
	Service      string     `json:"-"`
	State        string     `json:"state,omitempty"`
	OpenedAt     *timestamp `json:"opened_at,omitempty"`
	Manual       bool       `json:"manual_pause,omitempty"`
	LastError    string     `json:"last_error,omitempty"`
	ErrorType    string     `json:"error_type,omitempty"`
	FailureCount int64      `json:"failure_count,omitempty"`
	Failures     int        `json:"failures,omitempty"`
	FirstFailure *timestamp `json:"first_failure,omitempty"`
	LastFailure  *timestamp `json:"last_failure,omitempty"`
	Successes    int64      `json:"successes,omitempty"`
	PausedAt     *timestamp `json:"paused_at,omitempty"`
	PauseReason  string     `json:"pause_reason,omitempty"`
	Malformed    []string   `json:"malformed,omitempty"`
}

// timestamp is a time that is written as the app writes it.
type timestamp time.Time

func (t timestamp) MarshalJSON() ([]byte, error) {
	return []byte(`"` + breaker.FormatTimestamp(time.Time(t)) + `"`), nil
}

func stamp(t time.Time) *timestamp {
	if t.IsZero() {
		return nil
	}
	ts := timestamp(t)
	return &ts
}

// Judge applies the rules to the old keys. Keys that are malformed count as open
// circuits or not at all, as the rules say; Judge does not refuse them.
func Judge(keys []*OldKey, rules Rules) Verdict {
	v := Verdict{State: breaker.Closed}
	var opens, other []string
	for _, service := range servicesOf(keys) {
		j := judgeService(service, keys, rules)
		v.Services = append(v.Services, j.summary)
		v.Events = append(v.Events, j.events...)
		v.Explicit = v.Explicit || j.explicit
		v.OpenedAt = earliest(v.OpenedAt, j.earliest)
		v.Latest.advance(j.latest)
		if j.open {
			v.State = breaker.Open
			opens = append(opens, j.reason)
		} else if j.reason != "" {
			other = append(other, j.reason)
		}
	}
	v.Reasons = append(opens, other...)
	if v.State == breaker.Closed {
		v.OpenedAt = time.Time{}
	}
	slices.SortStableFunc(v.Events, func(a, b breaker.Event) int { return a.At.Compare(b.At) })
	return v
}

func servicesOf(keys []*OldKey) []string {
	var names []string
	for _, k := range keys {
		names = append(names, k.Service)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// judgement is the verdict on one service.
type judgement struct {
	open, explicit bool
	reason         string
	earliest       time.Time
	latest         LatestFailure
	summary        ServiceSummary
	events         []breaker.Event
}

func judgeService(service string, keys []*OldKey, rules Rules) judgement {
	j := judgement{summary: ServiceSummary{Service: service}}
	var circuit, pause *OldKey
	for _, k := range keys {
		if k.Service != service {
			continue
		}
		if k.Malformed != nil {
			j.malformed(k, rules)
			continue
		}
		switch k.Family {
		case Circuit:
			circuit = k
		case Failures:
			j.failures(k)
		case Successes:
			j.summary.Successes = k.Successes
		case Pause:
			pause = k
		}
	}
	if circuit != nil {
		j.circuit(circuit, rules)
	}
	if pause != nil {
		j.pause(pause)
	}
	if j.reason == "" && j.summary.Failures > 0 {
		j.reason = fmt.Sprintf("%s: %d failures, circuit not open", service, j.summary.Failures)
	}
	return j
}

func (j *judgement) malformed(k *OldKey, rules Rules) {
	if rules.Malformed == Skip {
		return
	}
	j.explicit, j.open = true, true
	j.summary.Malformed = append(j.summary.Malformed, k.Name)
	j.because(fmt.Sprintf("%s: %s is malformed and taken as open", k.Service, k.Name))
}

func (j *judgement) failures(k *OldKey) {
	s := &j.summary
	s.Failures = len(k.Failures)
	for _, f := range k.Failures {
		j.earliest = earliest(j.earliest, f.At)
		j.latest.advance(LatestFailure{At: f.At, Service: k.Service, ErrorType: f.ErrorType})
		j.events = append(j.events, event(breaker.EventLegacyFailure, k, f.At, breaker.Event{ErrorType: f.ErrorType}))
	}
	if len(k.Failures) > 0 {
		s.FirstFailure, s.LastFailure = stamp(j.earliest), stamp(j.latest.At)
	}
}

// circuit comes after failures: the metadata of an open circuit tells of the last of them.
func (j *judgement) circuit(k *OldKey, rules Rules) {
	c, s := k.Circuit, &j.summary
	j.explicit = true
	s.State, s.OpenedAt, s.Manual = c.State, stamp(c.OpenedAt), c.Manual
	s.LastError, s.ErrorType, s.FailureCount = c.LastError, c.ErrorType, c.FailureCount
	j.earliest = earliest(j.earliest, c.OpenedAt)
	j.lastError(k)
	switch {
	case c.State == oldOpen && c.Manual:
		j.open = true
		j.because(k.Service + ": paused by hand" + since(c.OpenedAt) + colon(c.Reason))
		j.events = append(j.events, event(breaker.EventLegacyManualPause, k, c.OpenedAt, breaker.Event{Reason: c.Reason}))
	case c.State == oldOpen:
		j.open = true
		j.because(k.Service + ": circuit open" + since(c.OpenedAt) + colon(c.LastError))
		j.events = append(j.events, event(breaker.EventLegacyOpened, k, c.OpenedAt,
			breaker.Event{OpenedAt: c.OpenedAt, Reason: c.LastError, ErrorType: c.ErrorType}))
	case c.State == oldHalfOpen:
		j.events = append(j.events, event(breaker.EventLegacyHalfOpen, k, time.Time{}, breaker.Event{}))
		if rules.HalfOpen == AsClosed {
			j.because(k.Service + ": circuit half open, taken as closed")
			return
		}
		j.open = true
		j.because(k.Service + ": circuit half open, nobody has confirmed recovery")
	default:
		j.because(k.Service + ": circuit closed")
	}
}

// lastError joins the circuit's last error with the time of the failure that it
// is of. The app adds the failure to the sorted set, then writes the circuit.
func (j *judgement) lastError(k *OldKey) {
	c := k.Circuit
	if c.LastError == "" && c.ErrorType == "" {
		return
	}
	f := LatestFailure{At: c.OpenedAt, Service: k.Service, Error: c.LastError, ErrorType: c.ErrorType}
	if j.latest.At.After(f.At) {
		// A later failure of the same type is the one that the message was renewed by.
		if c.ErrorType != "" && c.ErrorType != j.latest.ErrorType {
			return
		}
		f.At, f.ErrorType = j.latest.At, j.latest.ErrorType
	}
	if f.At.IsZero() {
		f.At = k.writtenAt()
	}
	j.latest = f
}

func (j *judgement) pause(k *OldKey) {
	p, s := k.Pause, &j.summary
	j.explicit = true
	s.PausedAt, s.PauseReason = stamp(p.At), p.Reason
	j.earliest = earliest(j.earliest, p.At)
	j.events = append(j.events, event(breaker.EventLegacyPaused, k, p.At, breaker.Event{Reason: p.Reason}))
	if !j.open {
		j.open, j.reason = true, ""
		j.because(k.Service + ": queue paused" + since(p.At) + " without an open circuit, its jobs are still paused")
	}
}

func (j *judgement) because(reason string) {
	if j.reason != "" {
		reason = j.reason + "; " + strings.TrimPrefix(reason, j.summary.Service+": ")
	}
	j.reason = reason
}

// advance takes f when it is later than what is known, or as late and says more.
func (l *LatestFailure) advance(f LatestFailure) {
	if f.At.After(l.At) || (f.At.Equal(l.At) && l.Error == "" && f.Error != "") {
		*l = f
	}
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

func since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " since " + t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}

func colon(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

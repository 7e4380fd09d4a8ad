package state

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// MetaMigratedFrom is the name, in the global key's metadata, of the summary of
// the old keys: {"snapshot", "at", "by", "services": {name: {…}}}.
const MetaMigratedFrom = "migrated_from"

// ConflictError says that the old keys and the global key contradict each other.
// Nothing was changed.
type ConflictError struct {
	Old      Verdict
	Global   breaker.Status
	Key      string // the global key's name
	services string
}

func (e *ConflictError) Error() string {
	value := string(e.Global.Raw)
	if e.Global.Lost {
		value = "lost, but open when it was last known"
	}
	return fmt.Sprintf("the old keys say %s%s (%s), but %q says %s: %s", e.Old.State, since(e.Old.OpenedAt),
		e.services, e.Key, e.Global.State, value)
}

// decide chooses the global state, and whether anything is to be written at all.
func (m *Migrator) decide(p *Plan) error {
	p.Verdict = Judge(p.evidence(), m.s.Rules)
	news := p.Verdict
	if p.later {
		// What was carried already has had its effect: a person may have closed the breaker since.
		news = Judge(p.fresh(), m.s.Rules)
	}
	exists := p.Before.Exists || p.Before.Lost
	state := news.State
	if exists {
		var err error
		if state, err = m.reconcile(p, news); err != nil {
			return err
		}
	}
	// A platform in good health has no old keys: its global key is written, closed.
	p.write = len(p.evidence()) > 0 || !exists || p.Resumes != ""
	if !p.write {
		p.After = p.Before.Record
		return nil
	}
	p.After = m.merge(p, news, state, exists)
	return nil
}

// reconcile decides between the old keys and an existing global key.
func (m *Migrator) reconcile(p *Plan, news Verdict) (breaker.State, error) {
	global, old := p.Before.State, news.State
	switch {
	case global == old, len(p.evidence()) == 0:
		return global, nil
	case m.s.Rules.Prefer == PreferGlobal:
		return global, nil
	case p.later && old == breaker.Closed:
		// The global key has the answer of this migration already: only a person closes it.
		return global, nil
	case p.later, m.s.Rules.Prefer == PreferOld:
		return old, nil
	case !news.Explicit:
		return global, nil // counters below the threshold contradict nothing
	}
	return "", &ConflictError{Old: news, Global: p.Before, Key: m.s.Breaker.Keys().Breaker,
		services: strings.Join(news.Reasons, "; ")}
}

// merge puts the new value together. An existing value of the same state keeps
// what it has.
func (m *Migrator) merge(p *Plan, v Verdict, state breaker.State, exists bool) breaker.Record {
	now := m.now()
	r := breaker.Record{State: state}
	same := exists && p.Before.State == state
	if same {
		r = p.Before.Record
		r.State = state
	}
	if state == breaker.Open {
		r.ClosedAt = time.Time{}
		if v.State == breaker.Open {
			r.OpenedAt = earliest(r.OpenedAt, v.OpenedAt)
		}
		if same {
			r.OpenedAt = earliest(r.OpenedAt, p.Before.OpenedAt)
		}
		if r.OpenedAt.IsZero() {
			r.OpenedAt = now
		}
		describeOpen(&r, v)
	} else if exists && !same { // --prefer=old closes an open breaker: somebody decided so
		r.OpenedAt, r.ClosedAt = p.Before.OpenedAt, now
		r.Metadata.Set(breaker.MetaManuallyClosedAt, now)
		r.Metadata.Set(breaker.MetaClosedBy, m.s.Actor)
	}
	return r
}

// describeOpen tells of the latest failure, if the value knows of none later.
func describeOpen(r *breaker.Record, v Verdict) {
	f := v.Latest
	known := r.Metadata.Time(breaker.MetaFailedAt)
	if !f.At.IsZero() && !known.After(f.At) {
		// Counters keep no message: then the service and the type are all there is to say.
		if f.Error == "" {
			f.Error = f.Service + ": " + f.ErrorType
		}
		r.Metadata.Set(breaker.MetaLastError, f.Error)
		if f.ErrorType != "" {
			r.Metadata.Set(breaker.MetaErrorType, f.ErrorType)
		}
		r.Metadata.Set(breaker.MetaFailedAt, f.At)
		r.Metadata.Set(breaker.MetaService, f.Service)
	}
	if len(v.Reasons) > 0 && v.State == breaker.Open && r.Metadata.Text(breaker.MetaReason) == "" {
		r.Metadata.Set(breaker.MetaReason, strings.Join(v.Reasons, "; "))
	}
}

// summarise adds the old keys' summary to the value's metadata; services that an
// earlier round or migration told of, and this one does not, stay.
func summarise(r *breaker.Record, v Verdict, snapshot, actor string, at time.Time) {
	var before struct {
		Services map[string]json.RawMessage `json:"services"`
	}
	_ = json.Unmarshal(r.Metadata.Raw(MetaMigratedFrom), &before) // anything else is overwritten
	services := make(map[string]any)
	for name, raw := range before.Services {
		services[name] = raw
	}
	for _, s := range v.Services {
		services[s.Service] = s
	}
	r.Metadata.Set(MetaMigratedFrom, struct {
		Snapshot string         `json:"snapshot"`
		At       timestamp      `json:"at"`
		By       string         `json:"by,omitempty"`
		Services map[string]any `json:"services"`
	}{snapshot, timestamp(at), actor, services})
}

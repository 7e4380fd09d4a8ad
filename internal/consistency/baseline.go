package consistency

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Baseline is a list of findings that are known and do not fail a run.
type Baseline struct {
	Findings []Known `yaml:"findings"`
}

// Known is one of them.
type Known struct {
	Check   string `yaml:"check"`             // a check's id
	Count   int64  `yaml:"count"`             // up to so many are known
	Reason  string `yaml:"reason,omitempty"`  // why it is left
	Expires string `yaml:"expires,omitempty"` // YYYY-MM-DD: from this day on it counts again; never when empty

	// Subjects are the rows or keys that are known (SubjectID); where there are none, any
	// are, up to the count.
	Subjects []string `yaml:"subjects,omitempty,flow"`
}

// ParseBaseline reads a baseline file and refuses what it does not understand.
func ParseBaseline(data []byte) (*Baseline, error) {
	var b Baseline
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&b); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("not a baseline: %w", err)
	}
	if err := d.Decode(&Baseline{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("not a baseline: more than one YAML document")
	}
	for i, k := range b.Findings {
		c := Find(k.Check)
		switch {
		case c == nil:
			return nil, fmt.Errorf("finding %d: there is no check %q", i+1, k.Check)
		case k.Count < 1:
			return nil, fmt.Errorf("finding %d (%s): count must be positive", i+1, k.Check)
		}
		if _, err := k.expiry(); err != nil {
			return nil, fmt.Errorf("finding %d (%s): %w", i+1, k.Check, err)
		}
	}
	return &b, nil
}

func (k Known) expiry() (time.Time, error) {
	if k.Expires == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, k.Expires)
	if err != nil {
		return time.Time{}, fmt.Errorf("expires %q is no date such as 2027-01-31", k.Expires)
	}
	return t, nil
}

// Apply marks what is known in a report. It returns the entries that no longer count:
// expired at now, or not found any more.
func (b *Baseline) Apply(r *Report, now time.Time) (expired, resolved []Known) {
	for _, k := range b.Findings {
		i := slices.IndexFunc(r.Checks, func(c Result) bool { return strings.EqualFold(c.ID, k.Check) })
		if i < 0 || r.Checks[i].Status == Skip || r.Checks[i].Status == Errored {
			continue
		}
		c := &r.Checks[i]
		switch at, _ := k.expiry(); {
		case !at.IsZero() && !now.Before(at):
			expired = append(expired, k)
		case c.Count == 0: // information passes, found or not
			resolved = append(resolved, k)
		default:
			c.cover(k)
		}
	}
	return expired, resolved
}

// cover marks what an entry knows: its rows, and as many others as it counts beyond them.
// Those that nobody knows come first, so that the samples show them.
func (r *Result) cover(k Known) {
	further := k.Count
	if len(k.Subjects) > 0 && r.Exact() {
		further = max(0, k.Count-int64(len(k.Subjects)))
		for i := range r.Subjects {
			if s := &r.Subjects[i]; !s.Known && slices.Contains(k.Subjects, s.ID) {
				s.Known = true
				r.Known++
			}
		}
	}
	r.Known = min(r.Count, r.Known+further)
	r.KnownReason = k.Reason
	for i := range r.Subjects {
		r.Subjects[i].Known = r.Subjects[i].Known || r.Known == r.Count
	}
	slices.SortStableFunc(r.Subjects, func(a, b Subject) int {
		switch {
		case a.Known == b.Known:
			return 0
		case b.Known:
			return -1
		}
		return 1
	})
	if first := named(r.Subjects, len(r.Samples)); len(first) == len(r.Samples) {
		r.Samples = first
	}
}

// NewBaseline makes one of all findings of a report. Of an older one it keeps the entries
// of checks that did not run, and for the others their reasons, and the dates that have
// not passed at now: what is accepted anew does not expire at once.
func NewBaseline(r *Report, older *Baseline, now time.Time) []byte {
	var b Baseline
	if older == nil {
		older = &Baseline{}
	}
	for _, check := range Catalogue() {
		of := func(k Known) bool { return strings.EqualFold(k.Check, check.ID) }
		i := slices.IndexFunc(r.Checks, func(c Result) bool { return c.ID == check.ID })
		if i < 0 || r.Checks[i].Status == Skip || r.Checks[i].Status == Errored {
			for _, k := range older.Findings {
				if of(k) {
					b.Findings = append(b.Findings, k)
				}
			}
		} else if r.Checks[i].Status == Fail {
			k := r.Checks[i].known()
			if j := slices.IndexFunc(older.Findings, of); j >= 0 {
				k.Reason = older.Findings[j].Reason
				if at, _ := older.Findings[j].expiry(); now.Before(at) {
					k.Expires = older.Findings[j].Expires
				}
			}
			b.Findings = append(b.Findings, k)
		}
	}
	data, err := yaml.Marshal(b)
	if err != nil {
		panic(err) // plain texts and numbers
	}
	return append([]byte("# Findings that are known and do not fail check-consistency --baseline. An entry may have a\n"+
		"# reason, and expires: YYYY-MM-DD, the day from which it counts again. Its subjects are hashes\n"+
		"# of the rows that are known; without them any are, up to the count.\n"), data...)
}

// known is the entry that covers a finding as it is.
func (r Result) known() Known {
	k := Known{Check: r.ID, Count: r.Count}
	if r.Exact() {
		for _, s := range r.Subjects {
			k.Subjects = append(k.Subjects, s.ID)
		}
	}
	return k
}

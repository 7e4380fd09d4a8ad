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
}

// ParseBaseline reads a baseline file and refuses what it does not understand.
func ParseBaseline(data []byte) (*Baseline, error) {
	var b Baseline
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&b); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("not a baseline: %w", err)
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
		case c.Status == Pass:
			resolved = append(resolved, k)
		default:
			c.Known = min(c.Count, c.Known+k.Count)
		}
	}
	return expired, resolved
}

// NewBaseline makes one of all findings of a report, and keeps the reasons and
// expiry dates of an older one.
func NewBaseline(r *Report, older *Baseline) []byte {
	var b Baseline
	for _, c := range r.Checks {
		if c.Status != Fail {
			continue
		}
		k := Known{Check: c.ID, Count: c.Count}
		if older != nil {
			for _, o := range older.Findings {
				if strings.EqualFold(o.Check, c.ID) {
					k.Reason, k.Expires = o.Reason, o.Expires
				}
			}
		}
		b.Findings = append(b.Findings, k)
	}
	data, err := yaml.Marshal(b)
	if err != nil {
		panic(err) // plain texts and numbers
	}
	return append([]byte("# Findings that are known and do not fail check-consistency --baseline. An entry may have a\n# reason, and expires: YYYY-MM-DD, the day from which it counts again.\n"), data...)
}

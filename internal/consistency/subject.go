package consistency

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// maxRemembered bounds the subjects of a result. Findings with more are known again by
// their count only.
const maxRemembered = 1000

// Subject is a row or a key that a check found.
type Subject struct {
	ID    string // a short hash of the check and of what identifies the row
	Name  string // as a sample names it; "" where that was not read
	Known bool   // covered by the baseline
}

// Exact says whether Subjects are all that was found.
func (r Result) Exact() bool { return int64(len(r.Subjects)) == r.Count }

// SubjectID is the hash of what identifies a row or a key for a check.
func SubjectID(check, key string) string {
	sum := sha256.Sum256([]byte(check + "\x00" + key))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

// remembered are the subjects of an outcome, of which confirmed is what two looks agree
// on. Each is listed once.
func (o outcome) remembered(c *Check, confirmed []string) []Subject {
	names := make(map[string]string)
	for i, n := range o.names {
		names[o.subjects[i]] = n
	}
	for i, s := range o.samples[:min(len(o.samples), len(o.subjects))] {
		names[o.subjects[i]] = s
	}
	var out []Subject
	seen := make(map[string]bool)
	for _, key := range confirmed {
		id := SubjectID(c.ID, o.identity(key))
		if !seen[id] && len(out) < maxRemembered {
			seen[id] = true
			out = append(out, Subject{ID: id, Name: names[key]})
		}
	}
	return out
}

// identity is the part of a subject that stays the same while its numbers change.
func (o outcome) identity(key string) string {
	switch {
	case o.single:
		return ""
	case o.texts:
		key, _, _ = strings.Cut(key, ": ")
	}
	return key
}

// Forget takes rows out of what a check found, and says so in the summary: subjects are
// newest first, so that what follows those that are remembered is as old as the last.
func (r *Report) Forget(id string, told func(subject string) bool) {
	for i := range r.Checks {
		c := &r.Checks[i]
		if c.ID != id || c.Status != Fail {
			continue
		}
		var left []Subject
		for _, s := range c.Subjects {
			if !told(s.ID) {
				left = append(left, s)
			}
		}
		if len(left) == len(c.Subjects) {
			continue
		}
		c.Count, c.Subjects, c.Samples = int64(len(left)), left, named(left, len(c.Samples))
		if len(left) == 0 {
			c.Status = Pass
		}
	}
	r.summarize()
}

// named are the names of the first subjects, at most n.
func named(subjects []Subject, n int) []string {
	out := []string{}
	for _, s := range subjects {
		if s.Name != "" && len(out) < n {
			out = append(out, s.Name)
		}
	}
	return out
}

package consistency_test

import (
	"os"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
)

func TestBaselineCoversUpToItsCountAndItsDay(t *testing.T) {
	t.Parallel()
	report := func() *consistency.Report {
		return &consistency.Report{Checks: []consistency.Result{
			{ID: "LGC001", Severity: consistency.Error, Status: consistency.Fail, Count: 2},
			{ID: "LGC003", Severity: consistency.Error, Status: consistency.Pass},
			{ID: "LGQ003", Severity: consistency.Error, Status: consistency.Errored},
		}}
	}
	b, err := consistency.ParseBaseline(consistency.NewBaseline(report(), nil, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		change  func(*consistency.Baseline, *consistency.Report)
		failed  int
		expired int
	}{
		"as it was":   {func(*consistency.Baseline, *consistency.Report) {}, 0, 0},
		"one more":    {func(_ *consistency.Baseline, r *consistency.Report) { r.Checks[0].Count = 3 }, 1, 0},
		"expired":     {func(b *consistency.Baseline, _ *consistency.Report) { b.Findings[0].Expires = "2026-11-23" }, 1, 1},
		"not expired": {func(b *consistency.Baseline, _ *consistency.Report) { b.Findings[0].Expires = "2026-11-24" }, 0, 0},
	} {
		known, r := &consistency.Baseline{Findings: append([]consistency.Known{}, b.Findings...)}, report()
		c.change(known, r)
		expired, _ := known.Apply(r, now)
		if got := r.Failed(consistency.FailOnError); got != c.failed || len(expired) != c.expired {
			t.Errorf("%s: %d fail, %d expired", name, got, len(expired))
		}
	}
	for _, bad := range []string{"findings: [{check: LGX1, count: 1}]", "findings: [{check: LGC001}]", "nonsense: 1", "[", "findings: [{check: LGC001, count: 1, expires: soon}]",
		"findings: []\n---\nfindings: [{check: LGC001, count: 1}]", "findings: []\n---\n["} {
		if _, err := consistency.ParseBaseline([]byte(bad)); err == nil {
			t.Errorf("%s: accepted", bad)
		}
	}
}

// Only what is not there any more is to be taken out.
func TestInformationInABaselineIsThere(t *testing.T) {
	t.Parallel()
	b := consistency.Baseline{Findings: []consistency.Known{{Check: "LGE003", Count: 1}, {Check: "LGC001", Count: 1}}}
	r := &consistency.Report{Checks: []consistency.Result{{ID: "LGE003", Severity: consistency.Info, Status: consistency.Pass, Count: 1},
		{ID: "LGC001", Severity: consistency.Error, Status: consistency.Pass}}}
	if _, resolved := b.Apply(r, time.Now()); len(resolved) != 1 || resolved[0].Check != "LGC001" {
		t.Errorf("%+v", resolved)
	}
}

func FuzzParseBaseline(f *testing.F) {
	f.Add([]byte("findings: [{check: LGC001, count: 1, reason: r, expires: 2027-01-31}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if b, err := consistency.ParseBaseline(data); err == nil {
			b.Apply(&consistency.Report{}, time.Now())
		}
	})
}

func TestPageIsUpToDate(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("CHECKS.md")
	if err != nil || string(page) != consistency.Page() {
		t.Errorf("run go generate ./internal/consistency (%v)", err)
	}
}

func TestEveryCheckCanBeActedUpon(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range consistency.Catalogue() {
		if seen[c.ID] || len(c.ID) != 6 || c.Title == "" || c.Meaning == "" || c.Remedy == "" || c.Reads == "" || c.Severity == "" {
			t.Errorf("%+v", c)
		}
		seen[c.ID] = true
	}
}

// rows is a report of one check with rows of these keys.
func rows(id string, keys ...string) *consistency.Report {
	c := consistency.Result{ID: id, Severity: consistency.Error, Status: consistency.Fail, Count: int64(len(keys))}
	for _, k := range keys {
		c.Subjects, c.Samples = append(c.Subjects, consistency.Subject{ID: consistency.SubjectID(id, k), Name: k}), append(c.Samples, k)
	}
	return &consistency.Report{Checks: []consistency.Result{c}}
}

func TestAKnownRowDoesNotCoverAnother(t *testing.T) {
	t.Parallel()
	now := time.Now()
	parse := func(data []byte) *consistency.Baseline {
		t.Helper()
		b, err := consistency.ParseBaseline(data)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b := parse(consistency.NewBaseline(rows("LGC001", "1", "2"), nil, now))
	for name, c := range map[string]struct {
		baseline *consistency.Baseline
		keys     []string
		known    int64
		first    string // of the samples
	}{
		"the same rows":      {b, []string{"1", "2"}, 2, "1"},
		"one is gone":        {b, []string{"2"}, 1, "2"},
		"one is another":     {b, []string{"1", "3"}, 1, "3"},
		"an older file":      {parse([]byte("findings: [{check: LGC001, count: 2}]")), []string{"1", "3"}, 2, "1"},
		"room for one other": {&consistency.Baseline{Findings: []consistency.Known{{Check: "LGC001", Count: 3, Subjects: b.Findings[0].Subjects}}}, []string{"1", "3"}, 2, "1"},
	} {
		r := rows("LGC001", c.keys...)
		c.baseline.Apply(r, now)
		if got := r.Checks[0]; got.Known != c.known || got.Samples[0] != c.first {
			t.Errorf("%s: %d known, samples %q", name, got.Known, got.Samples)
		}
	}
}

func TestWritingABaselineKeepsWhatWasNotLookedAt(t *testing.T) {
	t.Parallel()
	older := &consistency.Baseline{Findings: []consistency.Known{
		{Check: "LGC001", Count: 9, Reason: "old rows", Expires: "2026-01-01"},
		{Check: "LGC003", Count: 9, Reason: "another", Expires: "2027-06-01"},
		{Check: "LGB001", Count: 9, Reason: "did not run", Expires: "2026-01-01"},
		{Check: "LGQ003", Count: 9, Reason: "was not asked for"},
		{Check: "LGC002", Count: 9, Reason: "is mended"},
	}}
	r := rows("LGC001", "1")
	r.Checks = append(r.Checks, rows("LGC003", "1", "2").Checks[0],
		consistency.Result{ID: "LGB001", Status: consistency.Skip}, consistency.Result{ID: "LGC002", Status: consistency.Pass})
	b, err := consistency.ParseBaseline(consistency.NewBaseline(r, older, time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]consistency.Known{}
	for _, k := range b.Findings {
		got[k.Check] = k
	}
	if k := got["LGC001"]; k.Count != 1 || k.Reason != "old rows" || k.Expires != "" {
		t.Errorf("accepted anew, it expires no more: %+v", k)
	}
	if k := got["LGC003"]; k.Count != 2 || k.Expires != "2027-06-01" {
		t.Errorf("its date has not passed: %+v", k)
	}
	if len(got) != 4 || got["LGB001"].Expires != "2026-01-01" || got["LGQ003"].Count != 9 {
		t.Errorf("%+v", got)
	}
}

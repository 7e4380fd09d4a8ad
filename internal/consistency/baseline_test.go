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
	b, err := consistency.ParseBaseline(consistency.NewBaseline(report(), nil))
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
	for _, bad := range []string{"findings: [{check: LGX1, count: 1}]", "findings: [{check: LGC001}]", "nonsense: 1", "[", "findings: [{check: LGC001, count: 1, expires: soon}]"} {
		if _, err := consistency.ParseBaseline([]byte(bad)); err == nil {
			t.Errorf("%s: accepted", bad)
		}
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

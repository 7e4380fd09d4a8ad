package render

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/output"
)

// pagePath is the committed page of the checks: GitHub takes no result without a file.
const pagePath = "internal/consistency/CHECKS.md"

type object = map[string]any

// sarif writes SARIF 2.1.0 as GitHub code scanning takes it: each sample a result,
// its row or key as the logical location.
func sarif(w io.Writer, r *consistency.Report, _ Options) error {
	rules, results := []object{}, []object{}
	notifications := []object{}
	for _, check := range consistency.Catalogue() {
		rules = append(rules, object{
			"id": check.ID, "name": string(check.Family) + "/" + check.ID,
			"shortDescription":     object{"text": check.Title},
			"fullDescription":      object{"text": clip(check.Meaning, 1024)},
			"help":                 object{"text": check.Remedy, "markdown": check.Remedy},
			"defaultConfiguration": object{"level": level(check.Severity)},
			"properties":           object{"tags": []string{string(check.Family)}, "precision": "very-high", "problem.severity": severity(check.Severity)},
		})
	}
	for _, c := range r.Checks {
		if c.Status == consistency.Errored {
			notifications = append(notifications, object{"level": "error", "descriptor": object{"id": c.ID}, "message": object{"text": output.Printable(c.Message)}})
			continue
		}
		for i, s := range c.Samples {
			results = append(results, result(c, subjectOf(c, i), output.Printable(s)))
		}
	}
	log := object{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
		"runs": []object{{
			"tool":              object{"driver": object{"name": "leadgenctl", "version": orUnknown(r.Version), "informationUri": "https://github.com/leadgenctl/leadgenctl", "rules": rules}},
			"automationDetails": object{"id": "leadgenctl/check-consistency/" + r.StartedAt.UTC().Format("20060102T150405Z")},
			"invocations": []object{{"executionSuccessful": r.Summary.Error == 0, "startTimeUtc": r.StartedAt.UTC().Format("2006-01-02T15:04:05.000Z"),
				"toolExecutionNotifications": notifications}},
			"results": results,
		}},
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(log)
}

// subjectOf is what a sample is about: what identifies it stays the same while its text
// changes. A report that was read from a file has texts only.
func subjectOf(c consistency.Result, i int) consistency.Subject {
	if i < len(c.Subjects) && c.Subjects[i].Name == c.Samples[i] {
		return c.Subjects[i]
	}
	return consistency.Subject{ID: consistency.SubjectID(c.ID, c.Samples[i]), Known: c.Known >= c.Count && c.Known > 0}
}

func result(c consistency.Result, about consistency.Subject, sample string) object {
	sum := sha256.Sum256([]byte(c.ID + "\x00" + about.ID))
	r := object{
		"ruleId": c.ID, "level": level(c.Severity), "message": object{"text": c.Title + ": " + sample},
		"locations": []object{{
			"physicalLocation": object{"artifactLocation": object{"uri": pagePath}, "region": object{"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 2}},
			"logicalLocations": []object{{"fullyQualifiedName": sample, "kind": "resource"}},
		}},
		"partialFingerprints": object{"primaryLocationLineHash": hex.EncodeToString(sum[:16])},
		"properties":          object{"count": c.Count},
	}
	if about.Known {
		suppression := object{"kind": "external", "status": "accepted"}
		if c.KnownReason != "" {
			suppression["justification"] = output.Printable(c.KnownReason)
		}
		r["suppressions"] = []object{suppression}
	}
	return r
}

func level(s consistency.Severity) string {
	switch s {
	case consistency.Error:
		return "error"
	case consistency.Warning:
		return "warning"
	}
	return "note"
}

func severity(s consistency.Severity) string {
	if s == consistency.Info {
		return "recommendation"
	}
	return string(s)
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n-3] + "..."
	}
	return s
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

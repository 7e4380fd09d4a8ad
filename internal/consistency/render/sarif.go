package render

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
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
			notifications = append(notifications, object{"level": "error", "descriptor": object{"id": c.ID}, "message": object{"text": printable(c.Message)}})
			continue
		}
		for _, s := range c.Samples {
			results = append(results, result(c, printable(s)))
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

func result(c consistency.Result, sample string) object {
	sum := sha256.Sum256([]byte(c.ID + "\x00" + sample))
	return object{
		"ruleId": c.ID, "level": level(c.Severity), "message": object{"text": c.Title + ": " + sample},
		"locations": []object{{
			"physicalLocation": object{"artifactLocation": object{"uri": pagePath}, "region": object{"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 2}},
			"logicalLocations": []object{{"fullyQualifiedName": sample, "kind": "resource"}},
		}},
		"partialFingerprints": object{"primaryLocationLineHash": hex.EncodeToString(sum[:16])},
		"properties":          object{"count": c.Count},
	}
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

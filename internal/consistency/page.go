package consistency

import (
	"fmt"
	"strings"
)

// Page is the docs page of the catalogue, CHECKS.md, in Markdown.
func Page() string {
	var b strings.Builder
	b.WriteString("# The checks of leadgenctl\n\nMade from the code by `go generate ./internal/consistency`. An id is for ever.\n\n")
	b.WriteString("| Check | Severity | `--fix` | Finding |\n|---|---|---|---|\n")
	for _, c := range Catalogue() {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s |\n", c.ID, strings.ToLower(c.ID), c.Severity, yesOr(c.Fixable(), "no"), c.Title)
	}
	for _, c := range Catalogue() {
		fmt.Fprintf(&b, "\n## %s\n\n**%s** (%s, %s)\n\n%s\n\n*What to do:* %s\n\n```sql\n%s\n```\n", c.ID, c.Title, c.Family, c.Severity, c.Meaning, c.Remedy, c.Reads)
	}
	return b.String()
}

func yesOr(yes bool, no string) string {
	if yes {
		return "yes"
	}
	return no
}

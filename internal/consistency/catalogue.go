package consistency

//go:generate go run ./page

import (
	"fmt"
	"path"
	"strings"
)

// Catalogue returns every check, in the order in which they are reported.
func Catalogue() []*Check {
	var all []*Check
	for _, family := range []func() []*Check{breakerChecks, queueChecks, campaignChecks, schemaChecks, environmentChecks} {
		all = append(all, family()...)
	}
	for _, c := range all {
		if c.table != nil {
			c.needs |= postgres
			if c.inspect == nil {
				c.inspect = inspectRows
			}
			if c.Reads == "" {
				c.Reads = c.table.sql()
			}
		}
	}
	return all
}

// Find returns the check of an id, in any case; nil for none.
func Find(id string) *Check {
	for _, c := range Catalogue() {
		if strings.EqualFold(c.ID, id) {
			return c
		}
	}
	return nil
}

// PatternError says that --only or --skip names no check, or that both leave none.
type PatternError struct{ Pattern, Reason string }

func (e *PatternError) Error() string { return fmt.Sprintf("check %q: %s", e.Pattern, e.Reason) }

// validatePatterns refuses a pattern that matches nothing: a typing error must not pass for a clean run.
func validatePatterns(all []*Check, patterns []string) error {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return &PatternError{p, "not a valid pattern"}
		}
		found := false
		for _, c := range all {
			found = found || matches(c, []string{p})
		}
		if !found {
			return &PatternError{p, "no such check, family or pattern; see: leadgenctl check-consistency list"}
		}
	}
	return nil
}

// matches says whether one of the patterns is the check's id or family, with globs, in any case.
func matches(c *Check, patterns []string) bool {
	for _, p := range patterns {
		p = strings.ToLower(p)
		for _, name := range []string{strings.ToLower(c.ID), string(c.Family)} {
			if ok, err := path.Match(p, name); err == nil && ok {
				return true
			}
		}
	}
	return false
}

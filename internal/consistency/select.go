package consistency

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// PatternError says that --only or --skip names no check, or that both leave none.
type PatternError struct{ Pattern, Reason string }

func (e *PatternError) Error() string { return fmt.Sprintf("check %q: %s", e.Pattern, e.Reason) }

// ValidateSelection says, as a *PatternError, what is wrong with --only and --skip.
func ValidateSelection(only, skip []string) error {
	all := Catalogue()
	if err := validatePatterns(all, slices.Concat(only, skip)); err != nil {
		return err
	}
	o := Options{Only: only, Skip: skip}
	if slices.ContainsFunc(all, o.selects) {
		return nil
	}
	return &PatternError{strings.Join(skip, ","), "it leaves no check to run"}
}

// selects says whether a check is asked for.
func (o *Options) selects(c *Check) bool {
	return (len(o.Only) == 0 || matches(c, o.Only)) && !matches(c, o.Skip)
}

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

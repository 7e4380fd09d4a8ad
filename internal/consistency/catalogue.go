package consistency

//go:generate go run ./page

import "strings"

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
		c.inspect = toldByLGB002(c.inspect)
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

package enumdrop

import (
	"context"
	"fmt"
)

// Plan is what Drop would do.
type Plan struct {
	Strategy   Strategy
	Why        string
	Refused    string // why it cannot be done, "" where it can
	Inventory  Inventory
	Statements []Statement
}

// Plan returns the statements that Drop would run, and changes nothing.
func (d *Dropper) Plan(ctx context.Context, want Strategy) (Plan, error) {
	inv, err := d.Inventory(ctx)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Inventory: inv, Statements: []Statement{}}
	p.Strategy, p.Why = d.Choose(inv, want)
	p.Refused = inv.Refuses(p.Strategy, d.s.RewriteLimit)
	if !inv.Present || p.Refused != "" {
		return p, nil
	}
	if !inv.Retired {
		p.Statements = append(p.Statements, d.gateStatements(inv)...)
		for _, c := range inv.Columns {
			p.Statements = append(p.Statements, Statement{SQL: fmt.Sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", ident(c.Schema, c.Table), ident(d.gate(c))),
				Lock: "SHARE UPDATE EXCLUSIVE", Table: c.Table, Work: "scans it"})
		}
		p.Statements = append(p.Statements, d.retireStatements(inv)...)
	}
	switch {
	case p.Strategy == Rewrite || p.Strategy == Online && len(inv.Columns) == 0:
		p.Statements = append(p.Statements, d.rewriteStatements(inv)...)
	case p.Strategy == Online:
		more, err := d.onlineStatements(ctx, inv)
		if err != nil {
			return Plan{}, err
		}
		p.Statements = append(p.Statements, more...)
	}
	return p, nil
}

func (d *Dropper) onlineStatements(ctx context.Context, inv Inventory) ([]Statement, error) {
	c := inv.Columns[0]
	common, err := d.common(ctx, inv, c)
	if err != nil {
		return nil, err
	}
	out := inv.expand(c, common)
	out = append(out, Statement{SQL: "-- for each range of pages, a few milliseconds each, throttled:\n" + batch(inv, c, 0, 8),
		Lock: "ROW EXCLUSIVE", Table: c.Table, Work: "scans it"})
	for _, dep := range inv.Dependents {
		switch dep.Kind {
		case "check constraint":
			add, validate := inv.newCheck(c, dep)
			if out = append(out, add); validate.SQL != "" {
				out = append(out, validate)
			}
		case "index":
			out = append(out, inv.newIndex(c, dep))
		}
	}
	return append(out, inv.swap(c)...), nil
}

package enumdrop

import (
	"context"
	"fmt"
)

// gate is the constraint that keeps a value out while it is retired.
func (d *Dropper) gate(c Column) string { return temporary("gate_" + c.Name) }

// retire renames the value. A gate is raised first, so that no row is looked at under
// the lock that the rename needs.
func (d *Dropper) retire(ctx context.Context, inv Inventory) error {
	if !inv.Present || inv.Retired {
		return nil
	}
	if err := d.transaction(ctx, "gate", d.s.StatementTimeout, d.gateStatements(inv)); err != nil {
		return err
	}
	if err := d.validate(ctx, inv); err != nil {
		return err
	}
	return d.transaction(ctx, "retire", d.s.StatementTimeout, d.retireStatements(inv))
}

func (d *Dropper) gateStatements(inv Inventory) []Statement {
	var out []Statement
	for _, c := range inv.Columns {
		out = append(out, brief(c.Table, "ACCESS EXCLUSIVE", fmt.Sprintf(
			"ALTER TABLE %[1]s DROP CONSTRAINT IF EXISTS %[2]s, ADD CONSTRAINT %[2]s CHECK (%[3]s::text <> %[4]s) NOT VALID",
			ident(c.Schema, c.Table), ident(d.gate(c)), ident(c.Name), literal(d.s.Value))))
	}
	return out
}

// validate scans the tables without making anyone wait. The gate goes again where rows
// still have the value: the caller was told to move nothing.
func (d *Dropper) validate(ctx context.Context, inv Inventory) error {
	for _, c := range inv.Columns {
		d.s.Step("before:validate")
		table := ident(c.Schema, c.Table)
		err := d.simple(ctx, fmt.Sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", table, ident(d.gate(c))))
		if code(err) != "23514" {
			if err != nil {
				return fmt.Errorf("validate the gate of %s: %w", c.Table, err)
			}
			continue
		}
		var n int64
		if err := d.pool.QueryRow(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE %s::text = $1", table, ident(c.Name)), d.s.Value).Scan(&n); err != nil {
			return fmt.Errorf("count the rows of %s: %w", c.Table, err)
		}
		if err := d.transaction(ctx, "ungate", d.s.StatementTimeout, d.ungate(inv)); err != nil {
			return err
		}
		return &RefusedError{Reason: fmt.Sprintf("%s cannot be dropped: %d rows of %s have it", d.s.Value, n, c.Table),
			Hint: "move them to another status first"}
	}
	return nil
}

func (d *Dropper) ungate(inv Inventory) []Statement {
	var out []Statement
	for _, c := range inv.Columns {
		out = append(out, brief(c.Table, "ACCESS EXCLUSIVE", fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s",
			ident(c.Schema, c.Table), ident(d.gate(c)))))
	}
	return out
}

func (d *Dropper) retireStatements(inv Inventory) []Statement {
	out := d.ungate(inv)
	return append(out, Statement{SQL: fmt.Sprintf("ALTER TYPE %s RENAME VALUE %s TO %s",
		ident(inv.schema, inv.Type), literal(d.s.Value), literal(d.s.Value+RetiredSuffix))})
}

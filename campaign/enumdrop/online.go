package enumdrop

import (
	"context"
	"fmt"
	"strings"
)

// online expands, back-fills, and contracts. Each step looks at the catalogue for what
// an earlier run has done already.
func (d *Dropper) online(ctx context.Context, inv Inventory) error {
	if len(inv.Columns) == 0 {
		return d.rewrite(ctx, inv) // no table to swap anything in
	}
	c := inv.Columns[0]
	done, err := d.has(ctx, "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = $1 AND attname = $2 AND NOT attisdropped)", c.oid, temporary(c.Name))
	if err != nil {
		return err
	}
	if !done {
		common, err := d.common(ctx, inv, c)
		if err != nil {
			return err
		}
		if err := d.transaction(ctx, "expand", d.s.StatementTimeout, inv.expand(c, common)); err != nil {
			return err
		}
	}
	if err := d.backfill(ctx, inv, c); err != nil {
		return err
	}
	if err := d.prepare(ctx, inv, c); err != nil {
		return err
	}
	return d.transaction(ctx, "swap", d.s.StatementTimeout, inv.swap(c))
}

func (d *Dropper) has(ctx context.Context, sql string, args ...any) (yes bool, err error) {
	if err = d.pool.QueryRow(ctx, sql, args...).Scan(&yes); err != nil {
		err = fmt.Errorf("look for what an earlier run left: %w", err)
	}
	return yes, err
}

// common is the most frequent label by the statistics: as the constant default of the
// new column it costs nothing, and its rows need no back-fill.
func (d *Dropper) common(ctx context.Context, inv Inventory, c Column) (string, error) {
	label := inv.labels[0]
	err := d.pool.QueryRow(ctx, `SELECT coalesce((SELECT v FROM pg_stats s, unnest(s.most_common_vals::text::text[]) WITH ORDINALITY u(v, i)
		WHERE s.schemaname = $1 AND s.tablename = $2 AND s.attname = $3 AND v = ANY ($4) ORDER BY i LIMIT 1), $5)`,
		c.Schema, c.Table, c.Name, inv.labels, label).Scan(&label)
	if err != nil {
		return "", fmt.Errorf("read the statistics of %s: %w", c.Table, err)
	}
	return label, nil
}

func (inv Inventory) expand(c Column, common string) []Statement {
	table, newCol, newType := ident(c.Schema, c.Table), ident(temporary(c.Name)), ident(inv.schema, temporary(inv.Type))
	function := inv.function()
	notNull := ""
	if c.notNull {
		notNull = " NOT NULL"
	}
	out := inv.createType(temporary(inv.Type))
	return append(out,
		Statement{SQL: fmt.Sprintf("CREATE OR REPLACE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS $sync$\nBEGIN\n    NEW.%s := NEW.%s::text::%s;\n    RETURN NEW;\nEND\n$sync$",
			function, newCol, ident(c.Name), newType)},
		brief(c.Table, "ACCESS EXCLUSIVE", fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s%s DEFAULT %s", table, newCol, newType, notNull, literal(common))),
		brief(c.Table, "SHARE ROW EXCLUSIVE", fmt.Sprintf("CREATE TRIGGER %s BEFORE INSERT OR UPDATE ON %s FOR EACH ROW\nWHEN (NEW.%s::text IS DISTINCT FROM NEW.%s::text) EXECUTE FUNCTION %s()",
			syncTrigger, table, ident(c.Name), newCol, function)))
}

func (inv Inventory) function() string { return ident("leadgenctl", temporary("sync_"+inv.Type)) }

// prepare makes what the new column needs before it takes the old one's place:
// constraints, validated, and indexes, without making anyone wait.
func (d *Dropper) prepare(ctx context.Context, inv Inventory, c Column) error {
	for _, dep := range inv.Dependents {
		switch dep.Kind {
		case "check constraint":
			if err := d.prepareCheck(ctx, inv, c, dep); err != nil {
				return err
			}
		case "index":
			if err := d.prepareIndex(ctx, inv, c, dep); err != nil {
				return err
			}
		}
	}
	d.s.Step("before:analyze")
	if err := d.simple(ctx, fmt.Sprintf("ANALYZE %s (%s)", ident(c.Schema, c.Table), ident(temporary(c.Name)))); err != nil {
		return fmt.Errorf("analyze the new column of %s: %w", c.Table, err)
	}
	return nil
}

func (d *Dropper) prepareCheck(ctx context.Context, inv Inventory, c Column, dep Dependent) error {
	there, err := d.has(ctx, "SELECT EXISTS (SELECT FROM pg_constraint WHERE conrelid = $1 AND conname = $2)", c.oid, temporary(dep.ident))
	if err != nil {
		return err
	}
	add, validate := inv.newCheck(c, dep)
	if !there {
		if err := d.transaction(ctx, "constraint", d.s.StatementTimeout, []Statement{add}); err != nil {
			return err
		}
	}
	if validate.SQL != "" {
		d.s.Step("before:validate")
		if err := d.simple(ctx, validate.SQL); err != nil {
			return fmt.Errorf("validate the constraint %s: %w", dep.ident, err)
		}
	}
	return nil
}

func (inv Inventory) newCheck(c Column, dep Dependent) (add, validate Statement) {
	table, name := ident(c.Schema, c.Table), ident(temporary(dep.ident))
	definition := strings.TrimSuffix(renamed(dep.definition, inv.names(c)), " NOT VALID")
	add = brief(c.Table, "ACCESS EXCLUSIVE", fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s NOT VALID", table, name, definition))
	if dep.valid {
		validate = Statement{SQL: fmt.Sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", table, name), Lock: "SHARE UPDATE EXCLUSIVE", Table: c.Table, Work: "scans it"}
	}
	return add, validate
}

// names are what the new column and type are called until the swap.
func (inv Inventory) names(c Column) map[string]string {
	return map[string]string{c.Name: temporary(c.Name), inv.Type: temporary(inv.Type)}
}

func (d *Dropper) prepareIndex(ctx context.Context, inv Inventory, c Column, dep Dependent) error {
	name := temporary(dep.ident)
	var there, valid bool
	err := d.pool.QueryRow(ctx, `SELECT count(*) > 0, coalesce(bool_and(x.indisvalid), false) FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
		WHERE x.indrelid = $1 AND i.relname = $2`, c.oid, name).Scan(&there, &valid)
	if err != nil || valid {
		return err
	}
	d.s.Step("before:index")
	if there { // left half built by a run that was killed
		if err := d.simple(ctx, "DROP INDEX CONCURRENTLY "+ident(c.Schema, name)); err != nil {
			return fmt.Errorf("drop the unfinished index %s: %w", name, err)
		}
	}
	if err := d.simple(ctx, inv.newIndex(c, dep).SQL); err != nil {
		return fmt.Errorf("build the index %s: %w", name, err)
	}
	return nil
}

func (inv Inventory) newIndex(c Column, dep Dependent) Statement {
	names := inv.names(c)
	names[dep.ident] = temporary(dep.ident)
	return Statement{SQL: strings.Replace(renamed(dep.definition, names), "INDEX ", "INDEX CONCURRENTLY ", 1), Lock: "SHARE UPDATE EXCLUSIVE", Table: c.Table, Work: "scans it"}
}

// swap puts the new column in the old one's place and removes the old one: nothing but
// entries in the catalogue, in one transaction.
func (inv Inventory) swap(c Column) []Statement {
	table, col, newCol := ident(c.Schema, c.Table), ident(c.Name), ident(temporary(c.Name))
	exclusive := func(format string, args ...any) Statement {
		return brief(c.Table, "ACCESS EXCLUSIVE", fmt.Sprintf(format, args...))
	}
	out := []Statement{exclusive("LOCK TABLE %s IN ACCESS EXCLUSIVE MODE", table), exclusive("DROP TRIGGER %s ON %s", syncTrigger, table)}
	var after []Statement
	for _, dep := range inv.Dependents {
		switch dep.Kind {
		case "trigger":
			drop, restore := inv.trigger(dep)
			out, after = append(out, drop), append(after, restore...)
		case "statistics":
			after = append(after, brief(c.Table, "SHARE UPDATE EXCLUSIVE", dep.definition))
		case "check constraint":
			after = append(after, exclusive("ALTER TABLE %s RENAME CONSTRAINT %s TO %s", table, ident(temporary(dep.ident)), ident(dep.ident)))
		case "index":
			after = append(after, exclusive("ALTER INDEX %s RENAME TO %s", ident(c.Schema, temporary(dep.ident)), ident(dep.ident)))
		}
		if dep.Kind != "trigger" { // it has brought its own
			after = append(after, inv.comments(dep)...)
		}
	}
	def := "DROP DEFAULT"
	if c.def != nil {
		def = "SET DEFAULT " + *c.def
	}
	out = append(out, exclusive("ALTER TABLE %s DROP COLUMN %s", table, col),
		exclusive("ALTER TABLE %s RENAME COLUMN %s TO %s", table, newCol, col),
		Statement{SQL: "DROP TYPE " + ident(inv.schema, inv.Type)},
		Statement{SQL: fmt.Sprintf("ALTER TYPE %s RENAME TO %s", ident(inv.schema, temporary(inv.Type)), ident(inv.Type))},
		exclusive("ALTER TABLE %s ALTER COLUMN %s %s", table, col, def), Statement{SQL: fmt.Sprintf("DROP FUNCTION %s()", inv.function())})
	if c.notNull && inv.version >= 180000 {
		out = append(out, exclusive("ALTER TABLE %s RENAME CONSTRAINT %s TO %s", table,
			ident(c.Table+"_"+temporary(c.Name)+"_not_null"), ident(c.Table+"_"+c.Name+"_not_null")))
	}
	return append(append(out, after...), inv.belongings(c)...)
}

// belongings are the column's comment, statistics target and grants.
func (inv Inventory) belongings(c Column) (out []Statement) {
	table, col := ident(c.Schema, c.Table), ident(c.Name)
	if c.comment != nil {
		out = append(out, brief(c.Table, "SHARE UPDATE EXCLUSIVE", fmt.Sprintf("COMMENT ON COLUMN %s.%s IS %s", table, col, literal(*c.comment))))
	}
	if c.target >= 0 {
		out = append(out, brief(c.Table, "SHARE UPDATE EXCLUSIVE", fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s SET STATISTICS %d", table, col, c.target)))
	}
	for _, g := range c.carry {
		out = append(out, Statement{SQL: "GRANT " + strings.Replace(g, "%I", col, 1)})
	}
	return out
}

// Abandon takes away what an unfinished drop has made: see Unfinished. It is instant,
// and does nothing where there is none. A value that is retired stays so.
func (d *Dropper) Abandon(ctx context.Context) error {
	left, err := d.Unfinished(ctx)
	if err != nil || len(left) == 0 {
		return err
	}
	inv, err := d.Inventory(ctx)
	if err != nil {
		return err
	}
	if err := d.abandon(ctx, inv); err != nil || inv.Retired {
		return err
	}
	return d.transaction(ctx, "ungate", d.s.StatementTimeout, d.ungate(inv))
}

func (d *Dropper) abandon(ctx context.Context, inv Inventory) error {
	there, err := d.has(ctx, "SELECT to_regtype($1) IS NOT NULL", ident(inv.schema, temporary(inv.Type)))
	if err != nil || !there {
		return err
	}
	return d.transaction(ctx, "abandon", d.s.StatementTimeout, inv.undo())
}

func (inv Inventory) undo() []Statement {
	var out []Statement
	for _, c := range inv.Columns {
		table := ident(c.Schema, c.Table)
		out = append(out, brief(c.Table, "ACCESS EXCLUSIVE", fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s", syncTrigger, table)),
			brief(c.Table, "ACCESS EXCLUSIVE", fmt.Sprintf("ALTER TABLE %s DROP COLUMN IF EXISTS %s", table, ident(temporary(c.Name)))))
	}
	return append(out, Statement{SQL: fmt.Sprintf("DROP FUNCTION IF EXISTS %s()", inv.function())},
		Statement{SQL: fmt.Sprintf("DROP TYPE IF EXISTS %s", ident(inv.schema, temporary(inv.Type)))})
}

package enumdrop

import (
	"context"
	"fmt"
	"strings"
)

// rewrite is the plain recipe in one transaction: everyone waits while it lasts, which
// the size limit and the statement timeout bound.
func (d *Dropper) rewrite(ctx context.Context, inv Inventory) error {
	return d.transaction(ctx, "rewrite", d.s.StatementTimeout, d.rewriteStatements(inv))
}

func (d *Dropper) rewriteStatements(inv Inventory) []Statement {
	var out []Statement
	for _, c := range inv.Columns {
		out = append(out, brief(c.Table, "ACCESS EXCLUSIVE", "LOCK TABLE "+ident(c.Schema, c.Table)+" IN ACCESS EXCLUSIVE MODE"),
			Statement{SQL: d.look(c), Lock: "ACCESS EXCLUSIVE", Table: c.Table, Work: "scans it"})
	}
	drop, restore := inv.around()
	out = append(out, drop...)
	old := temporary("old_" + inv.Type)
	out = append(out, Statement{SQL: fmt.Sprintf("ALTER TYPE %s RENAME TO %s", ident(inv.schema, inv.Type), ident(old))})
	out = append(out, inv.createType(inv.Type)...)
	for _, c := range inv.Columns {
		table, col := ident(c.Schema, c.Table), ident(c.Name)
		if c.def != nil {
			out = append(out, brief(c.Table, "ACCESS EXCLUSIVE", fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT", table, col)))
		}
		out = append(out, Statement{Lock: "ACCESS EXCLUSIVE", Table: c.Table, Work: "rewrites it",
			SQL: fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s TYPE %s USING %s::text::%s", table, col, ident(inv.schema, inv.Type), col, ident(inv.schema, inv.Type))})
		if c.def != nil {
			out = append(out, brief(c.Table, "ACCESS EXCLUSIVE", fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s", table, col, *c.def)))
		}
	}
	out = append(out, restore...)
	return append(out, Statement{SQL: "DROP TYPE " + ident(inv.schema, old)})
}

// look raises where a row has the value, inside the transaction that drops it.
func (d *Dropper) look(c Column) string {
	return fmt.Sprintf(`DO $look$
BEGIN
    IF EXISTS (SELECT FROM %s WHERE %s::text IN (%s, %s)) THEN
        RAISE EXCEPTION %s USING HINT = 'move them to another status first';
    END IF;
END
$look$`, ident(c.Schema, c.Table), ident(c.Name), literal(d.s.Value), literal(d.s.Value+RetiredSuffix),
		literal(strings.ReplaceAll(d.s.Value+" cannot be dropped: rows of "+c.Table+" have it", "%", "%%")))
}

// createType makes the type without the value, with what belongs to the old one.
func (inv Inventory) createType(name string) []Statement {
	labels := make([]string, len(inv.labels))
	for i, l := range inv.labels {
		labels[i] = literal(l)
	}
	t := ident(inv.schema, name)
	out := []Statement{{SQL: fmt.Sprintf("CREATE TYPE %s AS ENUM (%s)", t, strings.Join(labels, ", "))},
		{SQL: fmt.Sprintf("ALTER TYPE %s OWNER TO %s", t, inv.owner)}}
	if len(inv.carryTyp) > 0 {
		out = append(out, Statement{SQL: fmt.Sprintf("REVOKE ALL ON TYPE %s FROM PUBLIC; GRANT USAGE ON TYPE %s TO %s", t, t, strings.Join(inv.carryTyp, ", "))})
	}
	if inv.comment != nil {
		out = append(out, Statement{SQL: fmt.Sprintf("COMMENT ON TYPE %s IS %s", t, literal(*inv.comment))})
	}
	return out
}

// around takes away what stands in the way of a change of type in place, and puts it
// back as it was: the names are the same afterwards.
func (inv Inventory) around() (drop, restore []Statement) {
	for _, dep := range inv.Dependents {
		table, name := inv.table(dep.rel)
		switch dep.Kind {
		case "check constraint":
			if !strings.Contains(dep.definition, "::"+inv.Type) {
				continue // written with ::text, it survives
			}
			drop = append(drop, brief(name, "ACCESS EXCLUSIVE", fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s", table, ident(dep.ident))))
			restore = append(restore, Statement{SQL: fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s", table, ident(dep.ident), dep.definition),
				Lock: "ACCESS EXCLUSIVE", Table: name, Work: "scans it"})
			restore = append(restore, inv.comments(dep)...)
		case "index":
			if !strings.Contains(dep.definition, "::"+inv.Type) {
				continue
			}
			drop = append(drop, brief(name, "ACCESS EXCLUSIVE", "DROP INDEX "+inv.index(dep)))
			restore = append(restore, Statement{SQL: dep.definition, Lock: "SHARE", Table: name, Work: "scans it"})
			restore = append(restore, inv.comments(dep)...)
		case "trigger":
			d, r := inv.trigger(dep)
			drop, restore = append(drop, d), append(restore, r...)
		}
	}
	return drop, restore
}

func (inv Inventory) trigger(dep Dependent) (drop Statement, restore []Statement) {
	table, name := inv.table(dep.rel)
	drop = brief(name, "ACCESS EXCLUSIVE", fmt.Sprintf("DROP TRIGGER %s ON %s", ident(dep.ident), table))
	restore = []Statement{brief(name, "SHARE ROW EXCLUSIVE", dep.definition)}
	if mode := map[string]string{"D": "DISABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}[dep.enabled]; mode != "" {
		restore = append(restore, brief(name, "SHARE ROW EXCLUSIVE", fmt.Sprintf("ALTER TABLE %s %s TRIGGER %s", table, mode, ident(dep.ident))))
	}
	return drop, append(restore, inv.comments(dep)...)
}

// comments gives what was made anew the comment of what it replaces.
func (inv Inventory) comments(dep Dependent) []Statement {
	if dep.comment == nil {
		return nil
	}
	table, name := inv.table(dep.rel)
	object := map[string]string{"index": "INDEX " + inv.index(dep), "check constraint": "CONSTRAINT " + ident(dep.ident) + " ON " + table,
		"trigger": "TRIGGER " + ident(dep.ident) + " ON " + table, "statistics": "STATISTICS " + inv.index(dep)}[dep.Kind]
	return []Statement{brief(name, "SHARE UPDATE EXCLUSIVE", fmt.Sprintf("COMMENT ON %s IS %s", object, literal(*dep.comment)))}
}

// table is the quoted and the plain name of the table with an oid.
func (inv Inventory) table(oid uint32) (quoted, name string) {
	for _, c := range inv.Columns {
		if c.oid == oid {
			return ident(c.Schema, c.Table), c.Table
		}
	}
	return "", ""
}

// index is the quoted name of an index: it lives in its table's schema.
func (inv Inventory) index(dep Dependent) string {
	for _, c := range inv.Columns {
		if c.oid == dep.rel {
			return ident(c.Schema, dep.ident)
		}
	}
	return ident(dep.ident)
}

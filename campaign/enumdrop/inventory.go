package enumdrop

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed inventory.sql
var dependentsSQL string

// Column is a column of the enumeration, or of an array of it.
type Column struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`
	Name   string `json:"column"`
	Rows   int64  `json:"rows"`  // as the planner estimates them
	Bytes  int64  `json:"bytes"` // of the table with its indexes

	oid       uint32
	notNull   bool
	def       *string // its default
	kind      string  // pg_class.relkind
	related   bool    // partition, parent of others, typed or inherited
	generated bool
	array     bool
	comment   *string
	target    int    // statistics target, -1 for the default
	published string // publications that carry the table
	carry     []string
}

// Dependent is something that uses the type or one of its columns.
type Dependent struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Carried bool   `json:"carried"`
	Why     string `json:"why,omitempty"` // it is not carried

	ident, definition string
	rel               uint32
	valid             bool
	enabled           string
	comment           *string
}

// Inventory is everything that uses the enumeration.
type Inventory struct {
	Type       string      `json:"type"`
	Value      string      `json:"value"`
	Present    bool        `json:"present"` // under its own or its retired name
	Retired    bool        `json:"retired"`
	Columns    []Column    `json:"columns"`
	Dependents []Dependent `json:"dependents"`

	schema   string
	oid      uint32
	labels   []string // that stay, in order
	owner    string
	comment  *string
	version  int
	carryTyp []string // grants on the type
}

// Inventory reads the catalogue; rights to read are enough. Columns and objects that
// an unfinished online drop has made are not listed.
func (d *Dropper) Inventory(ctx context.Context) (Inventory, error) {
	inv := Inventory{Type: d.s.Type, Value: d.s.Value, Columns: []Column{}, Dependents: []Dependent{}}
	var labels []string
	err := d.pool.QueryRow(ctx, `SELECT t.oid, n.nspname, t.typname, quote_ident(pg_get_userbyid(t.typowner)), obj_description(t.oid, 'pg_type'),
			current_setting('server_version_num')::int, ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder),
			ARRAY(SELECT CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END FROM aclexplode(t.typacl) x)
		FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = to_regtype($1) AND t.typtype = 'e'`, d.s.Type).
		Scan(&inv.oid, &inv.schema, &inv.Type, &inv.owner, &inv.comment, &inv.version, &labels, &inv.carryTyp)
	if errors.Is(err, pgx.ErrNoRows) {
		return inv, &RefusedError{Reason: fmt.Sprintf("there is no enumeration %s in this database", d.s.Type), Hint: "is it the platform's database?"}
	}
	if err != nil {
		return inv, fmt.Errorf("look at the enumeration %s: %w", d.s.Type, err)
	}
	for _, l := range labels {
		switch l {
		case d.s.Value:
			inv.Present = true
		case d.s.Value + RetiredSuffix:
			inv.Present, inv.Retired = true, true
		default:
			inv.labels = append(inv.labels, l)
		}
	}
	if err := d.columns(ctx, &inv); err != nil {
		return inv, fmt.Errorf("look for columns of type %s: %w", d.s.Type, err)
	}
	if err := d.dependents(ctx, &inv); err != nil {
		return inv, fmt.Errorf("look for dependents of type %s: %w", d.s.Type, err)
	}
	return inv, nil
}

func (d *Dropper) columns(ctx context.Context, inv *Inventory) error {
	rows, err := d.pool.Query(ctx, `SELECT n.nspname, c.relname, a.attname, greatest(c.reltuples, 0)::bigint, pg_total_relation_size(c.oid),
			c.oid, a.attnotnull, pg_get_expr(ad.adbin, ad.adrelid), c.relkind::text,
			c.relispartition OR c.reloftype <> 0 OR EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhparent, i.inhrelid)),
			a.attgenerated <> '', a.atttypid <> t.oid, col_description(c.oid, a.attnum), coalesce(a.attstattarget, -1)::int,
			coalesce((SELECT string_agg(p.pubname, ', ') FROM pg_publication_tables p WHERE p.schemaname = n.nspname AND p.tablename = c.relname), ''),
			ARRAY(SELECT x.privilege_type || ' (' || '%I' || ') ON ' || c.oid::regclass || ' TO ' ||
				CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END ||
				CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END FROM aclexplode(a.attacl) x)
		FROM pg_type t JOIN pg_attribute a ON a.atttypid IN (t.oid, t.typarray) AND a.attnum > 0 AND NOT a.attisdropped
		JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'f', 'c') JOIN pg_namespace n ON n.oid = c.relnamespace
		LEFT JOIN pg_attrdef ad ON ad.adrelid = a.attrelid AND ad.adnum = a.attnum
		WHERE t.oid = $1 ORDER BY 1, 2, 3`, inv.oid)
	if err != nil {
		return err
	}
	inv.Columns, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (Column, error) {
		var c Column
		err := r.Scan(&c.Schema, &c.Table, &c.Name, &c.Rows, &c.Bytes, &c.oid, &c.notNull, &c.def, &c.kind, &c.related,
			&c.generated, &c.array, &c.comment, &c.target, &c.published, &c.carry)
		return c, err
	})
	return err
}

func (d *Dropper) dependents(ctx context.Context, inv *Inventory) error {
	rows, err := d.pool.Query(ctx, dependentsSQL, inv.oid)
	if err != nil {
		return err
	}
	var (
		class, kind, name                 string
		dep                               Dependent
		special, internal, generated, own bool
	)
	_, err = pgx.ForEachRow(rows, []any{&class, &kind, &name, &dep.ident, &dep.rel, &dep.definition, &dep.valid, &special, &dep.enabled, &internal, &generated, &dep.comment}, func() error {
		dep.Name, dep.Carried, dep.Why = name, true, ""
		own = strings.Contains(dep.ident, syncTrigger) || strings.HasPrefix(dep.ident, prefix)
		switch {
		case internal, own, class == "pg_type" && strings.HasSuffix(name, "[]"), class == "pg_class" && kind != "i", class == "pg_constraint" && kind == "n":
			return nil // a column, the type's own array, or what we have made ourselves
		case class == "pg_class" && !special:
			dep.Kind = "index"
		case class == "pg_constraint" && kind == "c" && dep.rel != 0:
			dep.Kind = "check constraint"
		case class == "pg_trigger":
			dep.Kind = "trigger"
		case class == "pg_statistic_ext":
			dep.Kind = "statistics"
		case class == "pg_attrdef" && !generated:
			dep.Kind = "default"
		default:
			dep.Kind, dep.Carried, dep.Why = strings.TrimPrefix(class, "pg_"), false, name+" uses it"
		}
		inv.Dependents = append(inv.Dependents, dep)
		return nil
	})
	return err
}

func (inv Inventory) bytes() int64 {
	var n int64
	for _, c := range inv.Columns {
		n += c.Bytes
	}
	return n
}

// Refuses says why a strategy cannot be used, "" where it can.
func (inv Inventory) Refuses(s Strategy, limit int64) string {
	if s == Retire || !inv.Present {
		return ""
	}
	var why []string
	for _, dep := range inv.Dependents {
		if !dep.Carried {
			why = append(why, dep.Why)
		}
	}
	for _, c := range inv.Columns {
		at := c.Table + "." + c.Name
		switch {
		case c.kind != "r" || c.related:
			why = append(why, at+" belongs to a partitioned, inherited, foreign or composite relation")
		case c.array || c.generated:
			why = append(why, at+" is an array or generated")
		case s == Online && c.published != "":
			why = append(why, at+" is published by "+c.published+", and a subscriber would not know the new column")
		}
	}
	if s == Online && len(inv.Columns) > 1 {
		why = append(why, fmt.Sprintf("%d columns have the type, and they cannot be swapped at one time", len(inv.Columns)))
	}
	if s == Rewrite && inv.bytes() > limit {
		why = append(why, fmt.Sprintf("the table has %d bytes, more than the limit of %d that may be rewritten under a lock", inv.bytes(), limit))
	}
	return strings.Join(why, "; ")
}

package enumdrop

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Unfinished describes what a run that was killed has left: the new type and column of
// an online drop, its trigger, its constraints and indexes, and the gate of a
// retirement. Drop completes it, Abandon takes it away. Empty where there is nothing.
func (d *Dropper) Unfinished(ctx context.Context) ([]string, error) {
	inv, err := d.Inventory(ctx)
	var refused *RefusedError
	if errors.As(err, &refused) {
		return nil, nil // no such enumeration: nothing of it can be half done
	}
	if err != nil {
		return nil, err
	}
	tables := make([]uint32, len(inv.Columns))
	for i, c := range inv.Columns {
		tables[i] = c.oid
	}
	rows, err := d.pool.Query(ctx, `SELECT format('type %s', t.typname) FROM pg_type t WHERE t.oid = to_regtype($1)
		UNION ALL SELECT format('column %s of %s', attname, attrelid::regclass) FROM pg_attribute
			WHERE attrelid = ANY ($2) AND NOT attisdropped AND starts_with(attname::text, $3)
		UNION ALL SELECT format('trigger %s on %s', tgname, tgrelid::regclass) FROM pg_trigger WHERE tgrelid = ANY ($2) AND tgname = $4
		UNION ALL SELECT format('constraint %s on %s%s', conname, conrelid::regclass, CASE WHEN convalidated THEN '' ELSE ', not validated' END)
			FROM pg_constraint WHERE conrelid = ANY ($2) AND contype = 'c' AND starts_with(conname::text, $3)
		UNION ALL SELECT format('index %s on %s%s', c.relname, x.indrelid::regclass, CASE WHEN x.indisvalid THEN '' ELSE ', not valid' END)
			FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid WHERE x.indrelid = ANY ($2) AND starts_with(c.relname::text, $3)`,
		ident(inv.schema, temporary(inv.Type)), tables, prefix, syncTrigger)
	if err != nil {
		return nil, fmt.Errorf("look for what an earlier run left: %w", err)
	}
	left, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look for what an earlier run left: %w", err)
	}
	return left, nil
}

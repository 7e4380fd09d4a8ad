package enumdrop

import (
	"context"
	"fmt"
	"time"
)

// backfill gives every row that the default does not fit its value, page by page. Rows
// written since the expansion are right already; a page done by an earlier run changes
// no row. It ends when a full look finds no difference.
func (d *Dropper) backfill(ctx context.Context, inv Inventory, c Column) error {
	for {
		if err := d.pages(ctx, inv, c); err != nil {
			return err
		}
		d.s.Step("before:verify")
		differs, err := d.has(ctx, fmt.Sprintf("SELECT EXISTS (SELECT FROM %s WHERE %s)", ident(c.Schema, c.Table), differs(c)))
		if err != nil || !differs {
			return err
		}
	}
}

func differs(c Column) string {
	return fmt.Sprintf("%s::text IS DISTINCT FROM %s::text", ident(temporary(c.Name)), ident(c.Name))
}

func (d *Dropper) pages(ctx context.Context, inv Inventory, c Column) error {
	var total int64
	if err := d.pool.QueryRow(ctx, "SELECT pg_relation_size($1::oid) / current_setting('block_size')::int", c.oid).Scan(&total); err != nil {
		return fmt.Errorf("measure %s: %w", c.Table, err)
	}
	var looked time.Time
	for at, n := int64(0), int64(8); at < total; {
		if time.Since(looked) > lookEvery {
			if err := d.throttle(ctx); err != nil {
				return err
			}
			looked = time.Now()
		}
		d.s.Step("before:batch")
		start := time.Now()
		if err := d.simple(ctx, batch(inv, c, at, at+n)); err != nil {
			if code(err) == "22P02" {
				return &RefusedError{Reason: fmt.Sprintf("rows of %s have %s again: %v", c.Table, d.s.Value, err), Hint: "move them to another status, and run this again"}
			}
			return fmt.Errorf("back-fill pages %d to %d of %s: %w", at, at+n, c.Table, err)
		}
		at += n
		took := time.Since(start)
		if took > d.s.BatchTime {
			n = max(1, n/2)
		} else if took < d.s.BatchTime*3/4 {
			n = min(4096, n+n/4+1)
		}
		d.s.Progress(min(at, total)*c.Rows/total, c.Rows)
		if err := pause(ctx, took/4); err != nil { // others' turn
			return err
		}
	}
	return nil
}

// batch is one transaction; a crash may lose the last ones, which a next run does again.
func batch(inv Inventory, c Column, from, to int64) string {
	pages := fmt.Sprintf("ctid >= '(%d,0)' AND ctid < '(%d,0)'", from, to)
	if inv.version < 140000 { // no scan of a range of tids yet
		pages = fmt.Sprintf("ctid = ANY (ARRAY(SELECT format('(%%s,%%s)', p, i)::tid FROM generate_series(%d, %d) p, generate_series(1, 291) i))", from, to-1)
	}
	return fmt.Sprintf("BEGIN; SET LOCAL synchronous_commit = off; UPDATE %s SET %s = %s::text::%s WHERE %s AND %s; COMMIT",
		ident(c.Schema, c.Table), ident(temporary(c.Name)), ident(c.Name), ident(inv.schema, temporary(inv.Type)), pages, differs(c))
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

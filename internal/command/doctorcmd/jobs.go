package doctorcmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
)

const (
	// An index that holds status, in its columns or its condition, keeps an update of
	// status from being HOT: every index is then written.
	statusIndexesSQL = `SELECT format('index %s: %s', i.indexrelid::regclass, pg_get_indexdef(i.indexrelid))
FROM pg_index i WHERE i.indrelid = to_regclass('jobs') AND EXISTS (
	SELECT FROM pg_depend d JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = d.refobjsubid
	WHERE d.objid = i.indexrelid AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND a.attname = 'status')
ORDER BY 1`
	// One index is redundant beside another whose first columns are its own, of the same
	// classes, collations and directions, over all rows; of two equal ones the younger.
	redundantIndexesSQL = `SELECT format('index %s: %s has its columns first', i.indexrelid::regclass, o.indexrelid::regclass)
FROM pg_index i JOIN pg_index o ON o.indrelid = i.indrelid AND o.indexrelid <> i.indexrelid
JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_class oc ON oc.oid = o.indexrelid
WHERE i.indrelid = to_regclass('jobs') AND NOT i.indisprimary AND NOT i.indisexclusion AND i.indpred IS NULL AND o.indpred IS NULL
	AND i.indexprs IS NULL AND o.indexprs IS NULL AND o.indisvalid AND ic.relam = oc.relam AND i.indnatts = i.indnkeyatts AND i.indnkeyatts <= o.indnkeyatts
	AND (i.indkey::int2[])[0:i.indnkeyatts - 1] = (o.indkey::int2[])[0:i.indnkeyatts - 1]
	AND (i.indclass::oid[])[0:i.indnkeyatts - 1] = (o.indclass::oid[])[0:i.indnkeyatts - 1]
	AND (i.indcollation::oid[])[0:i.indnkeyatts - 1] = (o.indcollation::oid[])[0:i.indnkeyatts - 1]
	AND (i.indoption::int2[])[0:i.indnkeyatts - 1] = (o.indoption::int2[])[0:i.indnkeyatts - 1]
	AND (NOT i.indisunique OR o.indisunique AND i.indnkeyatts = o.indnkeyatts)
	AND (i.indnkeyatts < o.indnkeyatts OR i.indisunique <> o.indisunique OR o.indisprimary OR o.indexrelid < i.indexrelid)
ORDER BY 1`
	heapSQL = `SELECT coalesce((SELECT option_value::int FROM pg_options_to_table(c.reloptions) WHERE option_name = 'fillfactor'), 100),
	coalesce(pg_stat_get_tuples_updated(c.oid), 0), coalesce(pg_stat_get_tuples_hot_updated(c.oid), 0)
FROM pg_class c WHERE c.oid = to_regclass('jobs')`
)

// jobsTable looks for what makes a pause or a resume of many jobs slow.
func (v *visit) jobsTable(ctx context.Context) {
	if v.pool == nil {
		return // reported as a server that does not answer
	}
	ctx, cancel := v.within(ctx)
	defer cancel()
	v.indexes(ctx, "LGD007", "Indexes of jobs that hold the status", statusIndexesSQL,
		"such an index makes every change of a status write all indexes; unless a query of the app needs it: `DROP INDEX CONCURRENTLY <name>`")
	v.indexes(ctx, "LGD008", "Redundant indexes of jobs", redundantIndexesSQL,
		"each costs its share of every pause and resume: `DROP INDEX CONCURRENTLY <name>`")
	v.heap(ctx)
}

func (v *visit) indexes(ctx context.Context, id, title, sql, remedy string) {
	rows, err := v.pool.Query(ctx, sql)
	var names []string
	if err == nil {
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	switch {
	case err != nil:
		v.report.failed(id, title, fmt.Errorf("read the indexes of jobs: %w", err), "")
	case len(names) > 0:
		v.report.found(id, title, consistency.Warning, remedy, names...)
	default:
		v.report.passed(id, title, "none")
	}
}

// roomy is the largest fillfactor that leaves room for a second version of every row.
const roomy = 50

func (v *visit) heap(ctx context.Context) {
	const id, title = "LGD009", "Room for HOT updates of jobs"
	var fill int
	var updated, hot int64
	err := v.pool.QueryRow(ctx, heapSQL).Scan(&fill, &updated, &hot)
	seen := fmt.Sprintf("fillfactor %d", fill)
	if updated > 0 {
		seen += fmt.Sprintf(", %d%% of %d updates were HOT", hot*100/updated, updated)
	}
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		v.report.skipped(id, title, "there is no table jobs")
	case err != nil:
		v.report.failed(id, title, fmt.Errorf("read the settings of jobs: %w", err), "")
	case fill > roomy:
		v.report.found(id, title, consistency.Warning, "`leadgenctl migrate up` sets the fillfactor and locks nobody out; full pages follow as rows are updated, or at once with pg_repack or VACUUM FULL", seen)
	default:
		v.report.passed(id, title, "%s", seen)
	}
}

package consistency

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// rowSet says how the rows of a finding are found. All checks on the same tables are
// counted in one pass; the rows themselves are read only where there are some.
type rowSet struct {
	from   string                      // tables, with their joins
	where  string                      // what is wrong, true or not true
	live   bool                        // of jobs: where is true of live ones only
	sample string                      // text that names the row
	key    string                      // what identifies it
	args   func(o *Options) []any      // of where: printed in place of %s, as plain numbers
	judge  func(l *look) (bool, error) // whether there may be such rows, and they are a finding just now; nil for always
}

// condition is where with the options' numbers in it.
func (r *rowSet) condition(o *Options) string {
	if r.args == nil {
		return r.where
	}
	return fmt.Sprintf(r.where, r.args(o)...)
}

// sql is what is read, for people.
func (r *rowSet) sql() string {
	o := Options{}
	o.fill()
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s", r.sample, r.from, r.condition(&o))
}

// seconds prints a duration for an interval.
func seconds(d interface{ Seconds() float64 }) string {
	return fmt.Sprintf("'%d seconds'", int64(d.Seconds()))
}

// inspectRows takes the check's count from the pass over its tables.
func inspectRows(ctx context.Context, l *look, c *Check) (outcome, error) {
	n, err := l.passes[c.table.from].count(c)
	if err != nil || n == 0 {
		return outcome{}, err
	}
	o := outcome{count: n}
	o.subjects, o.names, err = l.samples(ctx, c, n)
	o.samples = o.names[:min(len(o.names), l.options.MaxSamples)]
	return o, err
}

// samples reads the first rows of a finding of count rows: more than are shown, so that a
// second look or another run knows them again.
func (l *look) samples(ctx context.Context, c *Check, count int64) (keys, names []string, err error) {
	limit := max(maxRemembered, l.options.MaxSamples)
	if c.twice {
		limit = maxSubjects
	}
	limit = min(limit, int(count)) // the scan ends with the last of them
	sql := fmt.Sprintf("SELECT (%s)::text, %s FROM %s WHERE %s ORDER BY %s LIMIT %d",
		c.table.key, c.table.sample, c.table.from, c.table.condition(l.options), c.table.key, limit)
	err = l.query(ctx, sql, nil, func(rows pgx.Rows) error {
		for rows.Next() {
			var key, sample string
			if err := rows.Scan(&key, &sample); err != nil {
				return err
			}
			keys = append(keys, key)
			names = append(names, sample)
		}
		return rows.Err()
	})
	return keys, names, err
}

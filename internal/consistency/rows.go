package consistency

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// rowSet says how the rows of a finding are found. All checks on the same tables are
// counted in one scan; the rows themselves are read only where there are some.
type rowSet struct {
	from   string                      // tables, with their joins
	where  string                      // what is wrong, true or not true
	sample string                      // text that names the row
	key    string                      // what identifies it
	args   func(o *Options) []any      // of where: printed in place of %s, as plain numbers
	judge  func(l *look) (bool, error) // whether such rows are a finding just now; nil for always
}

// scan is the shared count of all row checks on one table.
type scan struct {
	checks []*Check
	once   sync.Once
	counts map[string]int64
	errs   map[string]error
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

// inspectRows takes the check's count from the shared scan.
func inspectRows(ctx context.Context, l *look, c *Check) (outcome, error) {
	if c.table.judge != nil {
		if wrong, err := c.table.judge(l); err != nil || !wrong {
			return outcome{}, err
		}
	}
	s := l.counts[c.table.from]
	s.once.Do(func() { s.count(ctx, l, c.table.from) })
	if err := s.errs[c.ID]; err != nil {
		return outcome{}, err
	}
	o := outcome{count: s.counts[c.ID]}
	if o.count == 0 {
		return o, nil
	}
	var err error
	o.subjects, o.samples, err = l.samples(ctx, c)
	return o, err
}

// count counts for all checks in one pass over the tables; where that fails, for
// each alone, so that one that cannot run takes no other with it.
func (s *scan) count(ctx context.Context, l *look, from string) {
	s.errs = make(map[string]error)
	var err error
	if s.counts, err = l.count(ctx, from, s.checks); err == nil {
		return
	}
	s.counts = make(map[string]int64)
	for _, c := range s.checks {
		n, err := l.count(ctx, from, []*Check{c})
		s.counts[c.ID], s.errs[c.ID] = n[c.ID], err
	}
}

func (l *look) count(ctx context.Context, from string, checks []*Check) (map[string]int64, error) {
	columns := make([]string, len(checks))
	for i, c := range checks {
		columns[i] = "count(*) FILTER (WHERE " + c.table.condition(l.options) + ")"
	}
	values, dest := make([]int64, len(checks)), make([]any, len(checks))
	for i := range values {
		dest[i] = &values[i]
	}
	if err := l.row(ctx, "SELECT "+strings.Join(columns, ", ")+" FROM "+from, nil, dest...); err != nil {
		return nil, err
	}
	counts := make(map[string]int64)
	for i, c := range checks {
		counts[c.ID] = values[i]
	}
	return counts, nil
}

// samples reads the first rows of a finding: more than are shown where a second look must know them again.
func (l *look) samples(ctx context.Context, c *Check) (keys, shown []string, err error) {
	limit := l.options.MaxSamples
	if c.twice {
		limit = maxSubjects
	}
	sql := fmt.Sprintf("SELECT (%s)::text, %s FROM %s WHERE %s ORDER BY %s LIMIT %d",
		c.table.key, c.table.sample, c.table.from, c.table.condition(l.options), c.table.key, limit)
	err = l.query(ctx, sql, nil, func(rows pgx.Rows) error {
		for rows.Next() {
			var key, sample string
			if err := rows.Scan(&key, &sample); err != nil {
				return err
			}
			keys = append(keys, key)
			if len(shown) < l.options.MaxSamples {
				shown = append(shown, sample)
			}
		}
		return rows.Err()
	})
	return keys, shown, err
}

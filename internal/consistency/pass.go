package consistency

import (
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// pass is the one pass over some tables that all row checks on them share. It may bring
// some of the rows as well, for what compares them with something else.
type pass struct {
	l      *look
	from   string
	checks []*Check
	reader reader // nil for counts alone
	once   sync.Once

	counts  map[string]int64
	errs    map[string]error
	readErr error
}

// reader is what a pass reads besides the counts.
type reader interface {
	// columns says what to read: a number, a hash that may be null, and of which rows.
	columns(o *Options) (number, hash, where string)
	// start comes before the first row, and again where a pass is made again.
	start()
	// row takes one: of the number, what stands in the bits from readerBit on.
	row(number int64, hash *int64)
}

// passOver returns the pass over tables, making it where there is none yet.
func (l *look) passOver(from string) *pass {
	if l.passes[from] == nil {
		l.passes[from] = &pass{l: l, from: from}
	}
	return l.passes[from]
}

func (p *pass) count(c *Check) (int64, error) {
	p.once.Do(p.run)
	return p.counts[c.ID], p.errs[c.ID]
}

// run counts for all checks at once; where that fails, for each alone, so that one that
// cannot run takes no other with it.
func (p *pass) run() {
	p.counts, p.errs = make(map[string]int64), make(map[string]error)
	var checks []*Check
	for _, c := range p.checks {
		wrong := true
		if c.table.judge != nil {
			wrong, p.errs[c.ID] = c.table.judge(p.l)
		}
		if wrong && p.errs[c.ID] == nil {
			checks = append(checks, c)
		}
	}
	if p.readErr = p.read(checks, p.reader); p.readErr == nil {
		return
	}
	for _, c := range checks {
		p.errs[c.ID] = p.read([]*Check{c}, nil)
	}
	if p.reader != nil {
		p.readErr = p.read(nil, p.reader)
	}
}

// readerBit is the first bit, of a row's number, that is the reader's; below stand the checks'.
const readerBit = 20

// read makes the pass. The server returns only rows of which something is wrong, or that
// the reader wants, each with a bit for whatever is true of it.
func (p *pass) read(checks []*Check, also reader) error {
	sql := p.sql(checks, also)
	if sql == "" {
		return nil
	}
	if also != nil {
		also.start()
	}
	counts := make([]int64, len(checks))
	err := p.l.query(p.l.ctx, sql, nil, func(rows pgx.Rows) error {
		var number int64
		var hash *int64
		_, err := pgx.ForEachRow(rows, []any{&number, &hash}, func() error {
			for i := range counts {
				counts[i] += number >> i & 1
			}
			if also != nil {
				also.row(number>>readerBit, hash)
			}
			return nil
		})
		return err
	})
	if err != nil {
		return err
	}
	for i, c := range checks {
		p.counts[c.ID] = counts[i]
	}
	return nil
}

func (p *pass) sql(checks []*Check, also reader) string {
	var wrong []string
	bits, hash := []string{"0::bigint"}, "NULL::bigint"
	if also != nil {
		number, h, where := also.columns(p.l.options)
		bits, hash, wrong = []string{fmt.Sprintf("((%s) << %d)", number, readerBit)}, h, []string{where}
	}
	for i, c := range checks {
		condition := c.table.condition(p.l.options)
		bits = append(bits, fmt.Sprintf("CASE WHEN %s THEN %d ELSE 0 END", condition, 1<<i))
		if also == nil || !c.table.live {
			wrong = append(wrong, "("+condition+")")
		}
	}
	if len(wrong) == 0 {
		return ""
	}
	return "SELECT " + strings.Join(bits, " | ") + ", " + hash + " FROM " + p.from + " WHERE " + strings.Join(wrong, " OR ")
}

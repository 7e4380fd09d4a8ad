package consistency

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// pass is the one pass over some tables that all row checks on them share. That over
// the jobs also brings the live ones, for what compares them with the broker.
type pass struct {
	l      *look
	from   string
	checks []*Check
	live   bool // the live jobs are wanted
	once   sync.Once

	counts  map[string]int64
	errs    map[string]error
	jobs    liveSets
	jobsErr error
}

// liveSets are the jobs that have not ended.
type liveSets struct {
	all  idSet
	late idSet    // PENDING for a while, or PROCESSING for longer than a task may take
	busy []uint64 // hashes of the RUNNING campaigns that they are of, some of them more than once
}

func (s *liveSets) add(id int64, late bool, campaign *int64) {
	s.all.add(id)
	if late {
		s.late.add(id)
	}
	if campaign == nil || len(s.busy) > 0 && s.busy[len(s.busy)-1] == uint64(*campaign) {
		return
	}
	if len(s.busy) == cap(s.busy) { // no larger than twice what is in it
		s.busy = s.distinct()
		s.busy = slices.Grow(s.busy, len(s.busy)+1000)
	}
	s.busy = append(s.busy, uint64(*campaign))
}

// distinct are the hashes without those that repeat.
func (s *liveSets) distinct() []uint64 {
	slices.Sort(s.busy)
	return slices.Compact(s.busy)
}

// liveJobs are the jobs that have not ended. To compare one by one is quicker than IN.
const liveJobs = "(j.status = 'PENDING' OR j.status = 'PROCESSING' OR j.status = 'PAUSED')"

func (p *pass) count(c *Check) (int64, error) {
	p.once.Do(p.run)
	return p.counts[c.ID], p.errs[c.ID]
}

// liveJobs reads the jobs that have not ended, in the pass over the jobs.
func (l *look) liveJobs() (*liveSets, error) {
	p := l.passes[jobs]
	p.once.Do(p.run)
	return &p.jobs, p.jobsErr
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
	if p.jobsErr = p.read(checks, p.live); p.jobsErr == nil {
		return
	}
	for _, c := range checks {
		p.errs[c.ID] = p.read([]*Check{c}, false)
	}
	if p.live {
		p.jobsErr = p.read(nil, true)
	}
}

// What a row of a pass is: one number, since there may be many.
const (
	bitLate  = 1
	firstBit = 1  // of the checks
	idShift  = 30 // of the job's id
)

// read makes the pass. The server returns only rows of which something is wrong, or that
// are live, each with a bit for whatever is true of it.
func (p *pass) read(checks []*Check, live bool) error {
	keyed, err := p.l.campaignKey(live, checks)
	if err != nil {
		return err
	}
	sql := p.sql(checks, live, keyed)
	if sql == "" {
		return nil
	}
	counts, jobs := make([]int64, len(checks)), liveSets{}
	err = p.l.query(p.l.ctx, sql, nil, func(rows pgx.Rows) error {
		var row int64
		var campaign *int64
		_, err := pgx.ForEachRow(rows, []any{&row, &campaign}, func() error {
			for i := range counts {
				counts[i] += row >> (firstBit + i) & 1
			}
			if live {
				jobs.add(row>>idShift, row&bitLate != 0, campaign)
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
	if live {
		p.jobs = jobs
	}
	return nil
}

// lateJobs is bitLate. The server works out a moment once where it stands in a SELECT.
const lateJobs = `CASE WHEN j.status = 'PENDING' THEN j.task_id IS NOT NULL AND coalesce(j.updated_at, j.created_at) < (SELECT now() - interval '1 minute')
	WHEN j.status = 'PROCESSING' THEN coalesce(j.updated_at, j.created_at) < (SELECT now() - interval %s) ELSE false END::int`

func (p *pass) sql(checks []*Check, live, keyed bool) string {
	var wrong []string
	id, bits, campaign := "0", []string{"0"}, "NULL::bigint"
	if live {
		id, wrong = fmt.Sprintf("(j.id::bigint << %d)", idShift), []string{liveJobs}
		campaign = "CASE WHEN c.status = 'RUNNING' AND " + liveJobs + " THEN hashtextextended(c.id, 0) END"
		bits = []string{fmt.Sprintf(lateJobs, seconds(p.l.options.TaskTimeLimit))}
	}
	for i, c := range checks {
		condition := c.table.condition(p.l.options)
		bits = append(bits, fmt.Sprintf("CASE WHEN %s THEN %d ELSE 0 END", condition, 1<<(firstBit+i)))
		switch {
		case keyed && c.table.keyed != "":
			wrong = append(wrong, c.table.keyed)
		case !live || !c.table.live:
			wrong = append(wrong, "("+condition+")")
		}
	}
	if len(wrong) == 0 {
		return ""
	}
	return "SELECT " + id + " | " + strings.Join(bits, " | ") + ", " + campaign + " FROM " + p.from + " WHERE " + strings.Join(wrong, " OR ")
}

// campaignKey says whether a pass may leave it to PostgreSQL that the campaigns of ended
// jobs exist: to look each up takes as long as the rest of the pass. That those of live
// jobs do is looked at anyway.
func (l *look) campaignKey(live bool, checks []*Check) (holds bool, err error) {
	if !live || !slices.ContainsFunc(checks, func(c *Check) bool { return c.table.keyed != "" }) {
		return false, nil
	}
	err = l.row(l.ctx, campaignKeySQL, nil, &holds)
	return holds, err
}

// campaignKeySQL looks for a foreign key that was validated and none of whose triggers is off.
const campaignKeySQL = `SELECT EXISTS (SELECT FROM pg_constraint k
	JOIN pg_attribute a ON a.attrelid = k.conrelid AND ARRAY[a.attnum] = k.conkey AND a.attname = 'campaign_id'
	JOIN pg_attribute b ON b.attrelid = k.confrelid AND ARRAY[b.attnum] = k.confkey AND b.attname = 'id'
	WHERE k.contype = 'f' AND k.convalidated AND k.conrelid = to_regclass('jobs') AND k.confrelid = to_regclass('campaigns')
	AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgconstraint = k.oid AND t.tgenabled NOT IN ('O', 'A')))`

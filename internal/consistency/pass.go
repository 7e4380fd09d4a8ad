package consistency

import (
	"fmt"
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
	jobs    []liveJob
	jobsErr error
}

// liveJob is a job that has not ended.
type liveJob struct {
	id            int64
	late, overdue bool // PENDING for a while; PROCESSING for longer than a task may take
}

// liveJobs are the jobs that have not ended.
const liveJobs = "j.status IN ('PENDING', 'PROCESSING', 'PAUSED')"

func (p *pass) count(c *Check) (int64, error) {
	p.once.Do(p.run)
	return p.counts[c.ID], p.errs[c.ID]
}

// liveJobs reads the jobs that have not ended, in the pass over the jobs.
func (l *look) liveJobs() ([]liveJob, error) {
	p := l.passes[jobs]
	p.once.Do(p.run)
	return p.jobs, p.jobsErr
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
	bitLate = 1 << iota
	bitOverdue
	firstBit = 2  // of the checks
	idShift  = 30 // of the job's id
)

// read makes the pass. The server returns only rows of which something is wrong, or that
// are live, each with a bit for whatever is true of it.
func (p *pass) read(checks []*Check, live bool) error {
	sql := p.sql(checks, live)
	if sql == "" {
		return nil
	}
	counts, jobs := make([]int64, len(checks)), []liveJob(nil)
	err := p.l.query(p.l.ctx, sql, nil, func(rows pgx.Rows) error {
		var row int64
		_, err := pgx.ForEachRow(rows, []any{&row}, func() error {
			for i := range counts {
				counts[i] += row >> (firstBit + i) & 1
			}
			if live {
				jobs = append(jobs, liveJob{id: row >> idShift, late: row&bitLate != 0, overdue: row&bitOverdue != 0})
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

func (p *pass) sql(checks []*Check, live bool) string {
	var wrong []string
	id, bits := "0", []string{"0"}
	if live {
		const since = "coalesce(j.updated_at, j.created_at)"
		id, wrong = fmt.Sprintf("(j.id::bigint << %d)", idShift), []string{liveJobs}
		bits = []string{"(j.status = 'PENDING' AND j.task_id IS NOT NULL AND " + since + " < now() - interval '1 minute')::int",
			"(j.status = 'PROCESSING' AND " + since + " < now() - interval " + seconds(p.l.options.TaskTimeLimit) + ")::int * 2"}
	}
	for i, c := range checks {
		condition := c.table.condition(p.l.options)
		bits = append(bits, fmt.Sprintf("CASE WHEN %s THEN %d ELSE 0 END", condition, 1<<(firstBit+i)))
		if !live || !c.table.live {
			wrong = append(wrong, "("+condition+")")
		}
	}
	if len(wrong) == 0 {
		return ""
	}
	return "SELECT " + id + " | " + strings.Join(bits, " | ") + " FROM " + p.from + " WHERE " + strings.Join(wrong, " OR ")
}

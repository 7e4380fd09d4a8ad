package consistency

import (
	"context"
	"fmt"
	"strconv"

	"github.com/leadgenctl/leadgenctl/internal/operations"
	"github.com/leadgenctl/leadgenctl/queue"
)

// FixOptions say how findings are mended. Manager must have a broker.
type FixOptions struct {
	Options
	Manager *queue.Manager
	Actor   string
	Zombies Zombies // what becomes of jobs that nobody works on

	// Mended is told how many more things were changed; nil for nobody.
	Mended func(n int64)
}

// fix is how a check's finding is mended. What was there before goes to the operations
// log with each change, in the same transaction.
type fix struct {
	does string // for the confirmation
	row  string // of a job j: what becomes of it, as SQL, for --dry-run; "" where nothing is more exact than does
	// plan says what would be done where it is more than this check's finding; nil where it is not.
	plan func(ctx context.Context, m *queue.Manager) ([]string, error)
	run  func(ctx context.Context, m *mending, subjects []string) (int64, error)
}

// mending is one fix at work.
type mending struct {
	*FixOptions
	check *Check
	log   *operations.Run
}

var (
	reconcileFix     = &fix{does: "bring Redis, PostgreSQL and the jobs into step, as `leadgenctl reconcile` does", plan: reconcilePlan, run: reconcile}
	removeTTL        = &fix{does: "remove the time to live of the breaker's key, and change nothing else", run: persist}
	clearCompletedAt = &fix{does: "empty completed_at of the paused jobs", row: `format('job %s: completed_at %s -> empty', j.id, j.completed_at)`,
		run: mendAll("j.status = 'PAUSED' AND j.completed_at IS NOT NULL", "completed_at = NULL")}
	fillCompletedAt = &fix{does: "fill in completed_at of the ended jobs", row: `format('job %s: completed_at empty -> %s', j.id, coalesce(j.updated_at, j.created_at, now()))`,
		run: mendAll("j.status IN ('COMPLETED', 'FAILED') AND j.completed_at IS NULL", "completed_at = coalesce(j.updated_at, j.created_at, now())")}
	newTasks        = &fix{does: "give each of the pending jobs one new task", run: giveNewTasks}
	withdrawDoubles = &fix{does: "withdraw all messages of each job but one, and keep their bytes", run: withdraw}
	mendZombies     = &fix{does: "give the jobs new tasks, or fail them (--zombies)", run: endZombies}
)

// FixDoes says what Fix would do about a check, for a confirmation.
func (c *Check) FixDoes() string {
	if c.fix == nil {
		return ""
	}
	return c.fix.does
}

// FixIsShared says whether the fix does the same for every check that has it, and more than
// this one's finding: it is asked for once, and Preview says what it does.
func (c *Check) FixIsShared() bool { return c.fix != nil && c.fix.plan != nil }

// Fix mends what one check finds now, and returns how many things it changed, also with
// an error. It looks again itself, twice where stores are compared, and touches only what
// it then finds; and again until nothing is left, since a look has an end.
func Fix(ctx context.Context, o FixOptions, id string) (total int64, err error) {
	o.fill()
	if o.Mended == nil {
		o.Mended = func(int64) {}
	}
	c := Find(id)
	if c == nil || c.fix == nil {
		return 0, &PatternError{id, "this check cannot be mended by --fix"}
	}
	m := &mending{&o, c, operations.New(o.Pool, o.Actor, "fix "+c.ID)}
	m.log.Patience = o.patience()
	for {
		subjects, err := subjectsOf(ctx, o.Options, c)
		if err != nil || len(subjects) == 0 {
			return total, err
		}
		n, err := c.fix.run(ctx, m, subjects)
		total += n
		if err != nil {
			return total, fmt.Errorf("mend %s (%s): %w", c.ID, c.Title, err)
		}
		if n == 0 || len(subjects) < maxSubjects {
			return total, nil
		}
	}
}

// subjectsOf finds what a check finds in two looks.
func subjectsOf(ctx context.Context, o Options, c *Check) ([]string, error) {
	o.MaxSamples, o.Progress = maxSubjects, func(int, int) {}
	r := &run{options: o, results: map[string]*Result{c.ID: {}}}
	r.looks(ctx, []*Check{c})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	res := r.results[c.ID]
	if res.Status == Errored {
		return nil, fmt.Errorf("look again at %s: %s", c.ID, res.Message)
	}
	if res.Status != Fail {
		return nil, nil
	}
	return append([]string{}, r.subjects...), nil
}

func numbers(subjects []string) ([]int64, error) {
	ids := make([]int64, len(subjects))
	for i, s := range subjects {
		id, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is no job's id: %w", s, err)
		}
		ids[i] = id
	}
	return ids, nil
}

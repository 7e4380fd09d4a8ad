package consistency

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/queue"
)

// Zombies says what --fix does with jobs that nobody works on.
type Zombies string

// The values of Zombies.
const (
	ZombiesRequeue Zombies = "requeue" // give each a new task
	ZombiesFail    Zombies = "fail"    // end them as FAILED
)

// FixOptions say how findings are mended. Manager must have a broker.
type FixOptions struct {
	Options
	Manager *queue.Manager
	Actor   string
	Zombies Zombies // what becomes of jobs that nobody works on
}

// fix is how a check's finding is mended. What was there before goes to the operations
// log with each change, in the same transaction.
type fix struct {
	does string // for the confirmation
	run  func(ctx context.Context, o *FixOptions, c *Check, subjects []string) (int64, error)
}

var (
	reconcileFix     = &fix{"bring Redis, PostgreSQL and the jobs into step, as `leadgenctl reconcile` does", reconcile}
	clearCompletedAt = &fix{"empty completed_at of the paused jobs", mendJobs("status = 'PAUSED' AND completed_at IS NOT NULL", "completed_at = NULL")}
	fillCompletedAt  = &fix{"fill in completed_at of the ended jobs", mendJobs("status IN ('COMPLETED', 'FAILED') AND completed_at IS NULL", "completed_at = coalesce(j.updated_at, j.created_at, now())")}
	newTasks         = &fix{"give each of the pending jobs one new task", requeue("PENDING")}
	withdrawDoubles  = &fix{"withdraw all messages of each job but one, and keep their bytes", withdraw}
	mendZombies      = &fix{"give the jobs new tasks, or fail them (--zombies)", endZombies}
)

// FixDoes says what Fix would do about a check, for a confirmation.
func (c *Check) FixDoes() string {
	if c.fix == nil {
		return ""
	}
	return c.fix.does
}

// Fix mends what one check finds now, and returns how many things it changed. It looks
// again itself, twice where stores are compared, and touches only what it then finds.
func Fix(ctx context.Context, o FixOptions, id string) (int64, error) {
	o.fill()
	c := Find(id)
	if c == nil || c.fix == nil {
		return 0, &PatternError{id, "this check cannot be mended by --fix"}
	}
	subjects, err := subjectsOf(ctx, o.Options, c)
	if err != nil || len(subjects) == 0 {
		return 0, err
	}
	n, err := c.fix.run(ctx, &o, c, subjects)
	if err != nil {
		return n, fmt.Errorf("mend %s (%s): %w", c.ID, c.Title, err)
	}
	return n, nil
}

// subjectsOf finds what a check finds in two looks.
func subjectsOf(ctx context.Context, o Options, c *Check) ([]string, error) {
	o.MaxSamples = maxSubjects
	r := &run{options: o, results: map[string]*Result{c.ID: {}}}
	r.looks(ctx, []*Check{c})
	res := r.results[c.ID]
	if res.Status == Errored {
		return nil, fmt.Errorf("look again at %s: %s", c.ID, res.Message)
	}
	if res.Status != Fail {
		return nil, nil
	}
	return append([]string{}, r.subjects...), nil
}

// reconcile logs the breaker's key, its bytes and what is left of its life, before it
// changes anything; what becomes of jobs and messages is in the log of transitions.
func reconcile(ctx context.Context, o *FixOptions, c *Check, _ []string) (int64, error) {
	value, err := o.Redis.Get(ctx, breaker.DefaultKey).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("read the breaker's key: %w", err)
	}
	left, err := o.Redis.PTTL(ctx, breaker.DefaultKey).Result()
	if err != nil {
		return 0, fmt.Errorf("read the life of the breaker's key: %w", err)
	}
	var id int64
	err = o.Pool.QueryRow(ctx, `INSERT INTO leadgenctl.operations (actor, operation, detail)
		VALUES ($1, $2, jsonb_build_object('key', $3::text, 'value', nullif($4::text, ''), 'ttl_ms', $5::bigint)) RETURNING id`,
		o.Actor, "fix "+c.ID, breaker.DefaultKey, value, max(0, left.Milliseconds())).Scan(&id)
	if err != nil {
		return 0, err
	}
	r, err := o.Manager.Reconcile(ctx)
	if err != nil {
		return 0, err
	}
	_, err = o.Pool.Exec(ctx, `UPDATE leadgenctl.operations SET detail = detail || jsonb_build_object('epoch', $2::bigint, 'findings', $3::integer) WHERE id = $1`,
		id, r.Transition.Epoch, len(r.Findings))
	return int64(len(r.Findings)), err
}

// mendJobs changes the jobs of a condition in one statement that logs their old values.
func mendJobs(where, set string) func(context.Context, *FixOptions, *Check, []string) (int64, error) {
	return func(ctx context.Context, o *FixOptions, c *Check, subjects []string) (int64, error) {
		ids, err := numbers(subjects)
		if err != nil {
			return 0, err
		}
		return changeJobs(ctx, o, c, ids, where, set)
	}
}

func changeJobs(ctx context.Context, o *FixOptions, c *Check, ids []int64, where, set string) (int64, error) {
	var n int64
	err := pgx.BeginFunc(ctx, o.Pool, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `WITH old AS (SELECT j.* FROM jobs j WHERE j.id = ANY ($3::bigint[]) AND `+where+` ORDER BY j.id FOR UPDATE),
			new AS (UPDATE jobs SET `+set+` FROM old j WHERE jobs.id = j.id RETURNING jobs.id),
			log AS (INSERT INTO leadgenctl.operations (actor, operation, detail)
				SELECT $1, $2, jsonb_agg(jsonb_build_object('job_id', id, 'status', status, 'task_id', task_id, 'error', error,
					'updated_at', updated_at, 'completed_at', completed_at)) FROM old HAVING count(*) > 0)
			SELECT count(*) FROM new`, o.Actor, "fix "+c.ID, ids).Scan(&n)
	})
	return n, err
}

// requeue pauses the jobs and lets the manager resume them: that gives each exactly
// one task, and takes up a message that has turned up meanwhile. While the breaker is
// open they stay paused, as all jobs do.
func requeue(from string) func(context.Context, *FixOptions, *Check, []string) (int64, error) {
	return func(ctx context.Context, o *FixOptions, c *Check, subjects []string) (int64, error) {
		ids, err := numbers(subjects)
		if err != nil {
			return 0, err
		}
		n, err := changeJobs(ctx, o, c, ids, "status = '"+from+"'", "status = 'PAUSED', updated_at = now()")
		if err != nil {
			return 0, err
		}
		_, err = o.Manager.Reconcile(ctx)
		return n, err
	}
}

func endZombies(ctx context.Context, o *FixOptions, c *Check, subjects []string) (int64, error) {
	switch o.Zombies {
	case ZombiesRequeue:
		return requeue("PROCESSING")(ctx, o, c, subjects)
	case ZombiesFail:
		return mendJobs("status = 'PROCESSING'", `status = 'FAILED', updated_at = now(), completed_at = now(),
			error = 'Failed by leadgenctl: PROCESSING for longer than the time limit, and no worker had it'`)(ctx, o, c, subjects)
	}
	return 0, fmt.Errorf("zombies are requeued or failed, not %q", o.Zombies)
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

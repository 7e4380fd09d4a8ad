package queue

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// settleTime is how long a task may be on its way before it counts as lost.
const settleTime = 10 * time.Second

// suspect is a job whose task should be somewhere.
type suspect struct {
	job    int64
	task   string
	status Status // of the job, while the task is awaited
	lost   int    // how often its task was lost before
}

var (
	//go:embed sql/suspects.sql
	suspectsSQL string
	//go:embed sql/requeue.sql
	requeueSQL string
	//go:embed sql/fail_lost.sql
	failLostSQL string
)

// lostTasks are jobs whose task is nowhere any more, and what becomes of each.
type lostTasks struct {
	again  []suspect // get a new task
	failed []suspect
	why    []string // of the failed ones
	done   []int64  // superseded jobs whose task did its work
}

// lostAtOnce is how many jobs are judged, and changed, at once: there may be a million.
const lostAtOnce = 20_000

// followUp looks after what has left the outbox: a job that a worker held must end, a
// published task must begin, and one that supersedes must make its row. A task that
// is nowhere any more is made anew, as often as a task is offered to a broker.
// Where it fails half-way, the findings are of what was done until then.
func (m *Manager) followUp(ctx context.Context, epoch int64, assumeDead bool) ([]Finding, error) {
	for _, sql := range []string{
		`DELETE FROM leadgenctl.held_jobs AS h WHERE NOT EXISTS (
			SELECT FROM jobs AS j WHERE j.id = h.job_id AND j.status = 'PROCESSING' AND j.task_id = h.task_id)`,
		`DELETE FROM leadgenctl.superseded_jobs AS s WHERE EXISTS (SELECT FROM jobs AS j WHERE j.task_id = s.task_id::text)
			OR s.lead_id IS NOT NULL AND NOT EXISTS (SELECT FROM leads AS l WHERE l.id = s.lead_id AND l.enrichment_job_id = s.job_id::text)`,
		`DELETE FROM leadgenctl.outbox AS o WHERE published_at IS NOT NULL AND NOT EXISTS (
			SELECT FROM unnest(o.job_ids, o.task_ids) AS u (job, task) JOIN jobs AS j ON j.id = u.job AND j.task_id = u.task::text
			WHERE j.status = 'PENDING')`,
		`DELETE FROM leadgenctl.lost_tasks AS t WHERE NOT EXISTS (
			SELECT FROM jobs AS j WHERE j.id = t.job_id AND j.status IN ('PENDING', 'PROCESSING', 'PAUSED'))
			AND NOT EXISTS (SELECT FROM leadgenctl.superseded_jobs AS s WHERE s.job_id = t.job_id)`,
	} {
		if _, err := m.pool.Exec(ctx, sql); err != nil {
			return nil, databaseError("forget the tasks that have gone their way", err)
		}
	}
	missing, err := m.missing(ctx, assumeDead)
	if err != nil {
		return nil, err
	}
	if n := len(missing.jobs); missing.doubt != "" {
		return []Finding{{Kind: FoundUnknownTasks, Epoch: epoch, Jobs: int64(n), Action: "left alone",
			Detail: fmt.Sprintf("the tasks of %d jobs may be lost: %s", n, missing.doubt)}}, nil
	}
	var again, failed int64
	for chunk := range slices.Chunk(missing.jobs, lostAtOnce) {
		a, f, err := m.mendLost(ctx, epoch, missing, chunk)
		again, failed = again+a, failed+f
		if err != nil {
			return lostFindings(epoch, again, failed, "got", "became"), err
		}
	}
	return lostFindings(epoch, again, failed, "got", "became"), nil
}

// mendLost judges some of the jobs whose task is nowhere and writes what becomes of them,
// in one transaction.
func (m *Manager) mendLost(ctx context.Context, epoch int64, looked missing, jobs []int32) (again, failed int64, err error) {
	l, err := m.judge(ctx, looked, jobs)
	if err != nil {
		return 0, 0, err
	}
	err = m.inTx(ctx, "make lost tasks anew", func(tx pgx.Tx) error {
		again, failed, err = l.write(ctx, tx, epoch)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	for i, s := range l.failed {
		m.settings.OnFailure(Failure{JobID: s.job, TaskID: s.task, Attempts: s.lost, Err: errors.New(l.why[i])})
	}
	return again, failed, nil
}

func (l *lostTasks) write(ctx context.Context, tx pgx.Tx, epoch int64) (again, failed int64, err error) {
	if again, err = requeue(ctx, tx, epoch, l.again); err != nil {
		return 0, 0, err
	}
	if failed, err = failLost(ctx, tx, l.failed, l.why); err != nil {
		return 0, 0, err
	}
	_, err = tx.Exec(ctx, "DELETE FROM leadgenctl.superseded_jobs WHERE job_id = ANY ($1::bigint[])", l.done)
	return again, failed, err
}

// lostFindings tells of jobs that got, or would get, a new task, and of those that failed.
func lostFindings(epoch, again, failed int64, get, become string) []Finding {
	var fs []Finding
	if again > 0 {
		fs = append(fs, Finding{Kind: FoundLostTasks, Epoch: epoch, Jobs: again, Loud: true,
			Detail: fmt.Sprintf("the tasks of %d jobs are neither on the broker nor with a worker", again),
			Action: fmt.Sprintf("%d jobs %s a new task", again, get)})
	}
	if failed > 0 {
		fs = append(fs, Finding{Kind: FoundLostTasks, Epoch: epoch, Jobs: failed, Loud: true,
			Detail: fmt.Sprintf("the tasks of %d jobs ended without ending them, or were lost again and again", failed),
			Action: fmt.Sprintf("%d jobs %s FAILED", failed, become)})
	}
	return fs
}

// missing are jobs whose task is nowhere.
type missing struct {
	jobs  []int32
	tasks []wantedTask // that were looked for
	doubt string       // why they may be somewhere all the same; "" where it is certain
}

// missing finds the jobs whose task is nowhere, and changes nothing.
func (m *Manager) missing(ctx context.Context, assumeDead bool) (missing, error) {
	w := m.newWanted()
	err := m.suspects(ctx, nil, func(s suspect) { w.add(int32(s.job), s.task) })
	if err != nil || len(w.jobs) == 0 {
		return missing{}, err
	}
	w.sort()
	sv, err := patiently(ctx, m, func() (*survey, error) { return m.look(ctx, w) })
	if err != nil {
		return missing{}, err
	}
	out := missing{tasks: w.old, jobs: slices.DeleteFunc(w.jobs, func(job int32) bool { return len(sv.of(int64(job))) > 0 })}
	if len(out.jobs) > 0 && !assumeDead {
		out.doubt = sv.fleet.Doubt
	}
	return out, nil
}

// suspects calls fn with the suspects among some jobs, or among all where only is nil.
func (m *Manager) suspects(ctx context.Context, only []int32, fn func(suspect)) error {
	var s suspect
	rows, err := m.pool.Query(ctx, suspectsSQL, int64(settleTime.Seconds()), only)
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&s.job, &s.task, &s.status, &s.lost}, func() error {
			fn(s)
			return nil
		})
	}
	return databaseError("follow the tasks that were published", err)
}

// judge says what becomes of some of the jobs whose task is nowhere. One that has got
// another task since is none of them.
func (m *Manager) judge(ctx context.Context, looked missing, jobs []int32) (*lostTasks, error) {
	l := &lostTasks{}
	var lost []suspect
	err := m.suspects(ctx, jobs, func(s suspect) {
		if job, ok := find(looked.tasks, taskIDOf(s.task)); ok && int64(job) == s.job {
			lost = append(lost, s)
		}
	})
	if err != nil {
		return nil, err
	}
	for chunk := range slices.Chunk(lost, 2000) {
		ids := make([]string, len(chunk))
		for i, s := range chunk {
			ids[i] = s.task
		}
		ended, err := m.settings.Broker.Ended(ctx, ids)
		if err != nil {
			return nil, brokerError("read the results of tasks", err)
		}
		for _, s := range chunk {
			how, known := ended[s.task]
			switch {
			case known && how == "SUCCESS" && s.status == Cancelled:
				l.done = append(l.done, s.job) // its row was cleaned up since
			case known:
				l.failed, l.why = append(l.failed, s), append(l.why, fmt.Sprintf("Task %s ended (%s) and left the job as it was", s.task, how))
			case s.lost+1 >= m.settings.MaxAttempts:
				l.failed, l.why = append(l.failed, s), append(l.why, fmt.Sprintf("%sits task was lost %d times", FailPrefix, s.lost+1))
			default:
				l.again = append(l.again, s)
			}
		}
	}
	return l, nil
}

// requeue puts jobs whose task is lost into the outbox again, under a new id each.
func requeue(ctx context.Context, tx pgx.Tx, epoch int64, lost []suspect) (n int64, err error) {
	if len(lost) == 0 {
		return 0, nil
	}
	jobs, tasks, statuses := columns(lost)
	err = tx.QueryRow(ctx, requeueSQL, epoch, jobs, tasks, statuses, batchSize).Scan(&n)
	return n, err
}

// failLost ends jobs as FAILED that are still as they were seen.
func failLost(ctx context.Context, tx pgx.Tx, failed []suspect, why []string) (n int64, err error) {
	if len(failed) == 0 {
		return 0, nil
	}
	jobs, tasks, statuses := columns(failed)
	times := make([]int64, len(failed))
	for i, s := range failed {
		times[i] = int64(s.lost + 1)
	}
	err = tx.QueryRow(ctx, failLostSQL, jobs, tasks, statuses, why, times).Scan(&n)
	return n, err
}

func columns(suspects []suspect) (jobs []int64, tasks, statuses []string) {
	for _, s := range suspects {
		jobs, tasks, statuses = append(jobs, s.job), append(tasks, s.task), append(statuses, string(s.status))
	}
	return jobs, tasks, statuses
}

package queue

import (
	"context"
	_ "embed"
	"fmt"
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
}

//go:embed sql/requeue.sql
var requeueSQL string

// followUp looks after what has left the outbox: a job that a worker held must end, a
// published task must begin, and one that supersedes must make its row. A task that
// is nowhere any more is made anew.
func (m *Manager) followUp(ctx context.Context, epoch int64, assumeDead bool) ([]Finding, error) {
	suspects, err := m.suspects(ctx)
	if err != nil || len(suspects) == 0 {
		return nil, databaseError("follow the tasks that were published", err)
	}
	var w wanted
	for _, s := range suspects {
		w.jobs = append(w.jobs, s.job)
		w.old = append(w.old, wantedTask{taskIDOf(s.task), s.job})
	}
	w.sort()
	sv, err := patiently(ctx, m, func() (*survey, error) { return m.look(ctx, w) })
	if err != nil {
		return nil, err
	}
	var lost []suspect
	for _, s := range suspects {
		if (sv.fleet.Complete || s.status == Processing) && (sv.fleet.Silent == 0 || assumeDead) && len(sv.of(s.job)) == 0 {
			lost = append(lost, s)
		}
	}
	if len(lost) == 0 {
		return nil, nil
	}
	n, err := m.requeue(ctx, epoch, lost)
	if err != nil || n == 0 {
		return nil, err
	}
	return []Finding{{Kind: FoundLostTasks, Epoch: epoch, Jobs: n, Loud: true,
		Detail: fmt.Sprintf("the tasks of %d jobs are neither on the broker nor with a worker", n),
		Action: fmt.Sprintf("%d jobs got a new task", n)}}, nil
}

// suspects forgets what has gone its way, and returns the rest.
func (m *Manager) suspects(ctx context.Context) ([]suspect, error) {
	for _, sql := range []string{
		`DELETE FROM leadgenctl.held_jobs AS h WHERE NOT EXISTS (
			SELECT FROM jobs AS j WHERE j.id = h.job_id AND j.status = 'PROCESSING' AND j.task_id = h.task_id)`,
		`DELETE FROM leadgenctl.superseded_jobs AS s WHERE EXISTS (SELECT FROM jobs AS j WHERE j.task_id = s.task_id::text)`,
		`DELETE FROM leadgenctl.outbox AS o WHERE published_at IS NOT NULL AND NOT EXISTS (
			SELECT FROM unnest(o.job_ids, o.task_ids) AS u (job, task) JOIN jobs AS j ON j.id = u.job AND j.task_id = u.task::text
			WHERE j.status = 'PENDING')`,
	} {
		if _, err := m.pool.Exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	rows, err := m.pool.Query(ctx, `SELECT job_id, task_id, 'PROCESSING' FROM leadgenctl.held_jobs
		UNION ALL
		SELECT job_id, task_id::text, 'CANCELLED' FROM leadgenctl.superseded_jobs WHERE at < clock_timestamp() - $1::bigint * interval '1 second'
		UNION ALL
		SELECT j.id, j.task_id, 'PENDING' FROM leadgenctl.outbox AS o, unnest(o.job_ids, o.task_ids) AS u (job, task)
			JOIN jobs AS j ON j.id = u.job AND j.task_id = u.task::text AND j.status = 'PENDING'
			WHERE o.published_at < clock_timestamp() - $1::bigint * interval '1 second'`, int64(settleTime.Seconds()))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (suspect, error) {
		var s suspect
		return s, row.Scan(&s.job, &s.task, &s.status)
	})
}

// requeue puts jobs whose task is lost into the outbox again, under a new id each.
func (m *Manager) requeue(ctx context.Context, epoch int64, lost []suspect) (n int64, err error) {
	var jobs []int64
	var tasks, statuses []string
	for _, s := range lost {
		jobs, tasks, statuses = append(jobs, s.job), append(tasks, s.task), append(statuses, string(s.status))
	}
	err = m.inTx(ctx, "make lost tasks anew", func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, requeueSQL, epoch, jobs, tasks, statuses, batchSize).Scan(&n)
	})
	return n, err
}

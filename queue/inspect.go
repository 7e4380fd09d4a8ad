package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Job is a row of the app's table, and what is known beside it.
type Job struct {
	ID          int64      `json:"id"`
	TaskID      *string    `json:"task_id"`
	Name        string     `json:"name"`
	Type        JobType    `json:"job_type"`
	Status      Status     `json:"status"`
	Error       *string    `json:"error"`
	CampaignID  *string    `json:"campaign_id"`
	CreatedAt   *time.Time `json:"created_at"`
	UpdatedAt   *time.Time `json:"updated_at"`
	CompletedAt *time.Time `json:"completed_at"`

	Tasks     []FoundTask   `json:"tasks"`      // where its tasks are now; empty for nowhere
	Outbox    []OutboxEntry `json:"outbox"`     // on the way to the broker, or published
	Pauses    []JobPause    `json:"pauses"`     // newest first
	Failures  []TaskFailure `json:"failures"`   // tasks that could not be created
	Illegal   []Violation   `json:"violations"` // what the guard recorded
	BrokerErr string        `json:"broker_error,omitempty"`
	Doubt     string        `json:"doubt,omitempty"` // why a task that was not found may be somewhere all the same
	Held      *HeldBy       `json:"held_by"`         // the worker that kept it over a resume
	NewTask   *string       `json:"superseded_by"`   // the task that makes a row of its own for it
}

// FoundTask is a task of the job on the broker or with a worker.
type FoundTask struct {
	TaskID string `json:"task_id"`
	Name   string `json:"name"`
	Place  Place  `json:"place"`
	Worker string `json:"worker"`
}

// OutboxEntry is the job's place in the outbox.
type OutboxEntry struct {
	Batch       string     `json:"batch"`
	Epoch       int64      `json:"epoch"`
	TaskID      string     `json:"task_id"`
	Attempts    int        `json:"attempts"`
	LastError   *string    `json:"last_error"`
	CreatedAt   time.Time  `json:"created_at"`
	PublishedAt *time.Time `json:"published_at"`
}

// JobPause is the pause that the job is in.
type JobPause struct {
	Epoch    int64     `json:"epoch"`
	PausedAt time.Time `json:"paused_at"`
	Was      Status    `json:"was"`
}

// TaskFailure is a task that could not be created.
type TaskFailure struct {
	At       time.Time `json:"at"`
	TaskID   *string   `json:"task_id"`
	Attempts int       `json:"attempts"`
	Error    string    `json:"error"`
}

// HeldBy is the worker whose task a resume left alone.
type HeldBy struct {
	TaskID string    `json:"task_id"`
	Worker *string   `json:"worker"`
	Since  time.Time `json:"since"`
}

// Inspect tells everything that is known of a job. A broker that is away is told in
// BrokerErr.
func (m *Manager) Inspect(ctx context.Context, id int64) (Job, error) {
	if m.pool == nil {
		return Job{}, ErrNoDatabase
	}
	j := Job{Tasks: []FoundTask{}, Outbox: []OutboxEntry{}, Pauses: []JobPause{}, Failures: []TaskFailure{}, Illegal: []Violation{}}
	err := m.pool.QueryRow(ctx, `SELECT id, task_id, name, job_type::text, status::text, error, campaign_id, created_at, updated_at, completed_at
		FROM jobs WHERE id = $1`, id).Scan(&j.ID, &j.TaskID, &j.Name, &j.Type, &j.Status, &j.Error, &j.CampaignID, &j.CreatedAt, &j.UpdatedAt, &j.CompletedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return j, fmt.Errorf("job %d: %w", id, ErrNoJob)
	}
	if err == nil {
		err = m.history(ctx, &j)
	}
	if err != nil {
		return j, databaseError(fmt.Sprintf("read job %d", id), err)
	}
	if m.settings.Broker == nil {
		return j, nil
	}
	w := m.newWanted()
	for _, task := range []*string{j.TaskID, j.NewTask} {
		if task != nil {
			w.add(int32(id), *task)
		}
	}
	w.add(int32(id), "")
	w.sort()
	names := map[taskID]string{}
	sv, err := m.lookNaming(ctx, w, names)
	if err != nil {
		j.BrokerErr = err.Error()
		return j, nil
	}
	j.Doubt = sv.fleet.Doubt
	for _, h := range sv.of(id) {
		j.Tasks = append(j.Tasks, FoundTask{TaskID: w.texts.text(h.id), Name: names[h.id], Place: h.in(), Worker: sv.workerOf(h)})
	}
	return j, nil
}

// TasksOf returns the task ids of jobs: those of their rows, and of the tasks that they
// gave way to and that have not begun.
func (m *Manager) TasksOf(ctx context.Context, jobs []int64) ([]string, error) {
	if m.pool == nil {
		return nil, ErrNoDatabase
	}
	rows, err := m.pool.Query(ctx, `SELECT task_id FROM jobs WHERE id = ANY ($1::bigint[]) AND task_id IS NOT NULL
		UNION SELECT task_id::text FROM leadgenctl.superseded_jobs WHERE job_id = ANY ($1::bigint[])`, jobs)
	if err != nil {
		return nil, databaseError("read the tasks of jobs", err)
	}
	tasks, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return tasks, databaseError("read the tasks of jobs", err)
}

// history reads what our own tables know of the job.
func (m *Manager) history(ctx context.Context, j *Job) error {
	var b pgx.Batch
	b.Queue(`SELECT o.batch::text, o.epoch, u.task::text, o.attempts, o.last_error, o.created_at, o.published_at
		FROM leadgenctl.outbox AS o, unnest(o.job_ids, o.task_ids) AS u (job, task)
		WHERE o.job_ids @> ARRAY[$1::int] AND u.job = $1 ORDER BY o.id DESC`, j.ID).Query(collect(&j.Outbox))
	b.Queue(`SELECT p.epoch, p.paused_at, CASE WHEN j.updated_at > p.paused_at THEN 'PROCESSING' ELSE 'PENDING' END
		FROM leadgenctl.job_pauses AS p JOIN jobs AS j ON j.id = $1 AND j.status = 'PAUSED'
			AND j.updated_at IN (p.paused_at, p.paused_at + interval '1 microsecond')
		ORDER BY p.paused_at DESC LIMIT 20`, j.ID).Query(collect(&j.Pauses))
	b.Queue(`SELECT at, task_id::text, attempts, error FROM leadgenctl.dispatch_failures WHERE job_id = $1 ORDER BY id DESC LIMIT 20`, j.ID).Query(collect(&j.Failures))
	b.Queue(`SELECT job_id, old_status, new_status, application_name, user_name, at FROM leadgenctl.job_violations
		WHERE job_id = $1 ORDER BY id DESC LIMIT 20`, j.ID).Query(collect(&j.Illegal))
	b.Queue(`SELECT task_id, worker, since FROM leadgenctl.held_jobs WHERE job_id = $1`, j.ID).QueryRow(func(row pgx.Row) error {
		var h HeldBy
		err := row.Scan(&h.TaskID, &h.Worker, &h.Since)
		if err == nil {
			j.Held = &h
		}
		return orNoRows(err)
	})
	b.Queue(`SELECT task_id::text FROM leadgenctl.superseded_jobs WHERE job_id = $1`, j.ID).QueryRow(func(row pgx.Row) error {
		return orNoRows(row.Scan(&j.NewTask))
	})
	return m.pool.SendBatch(ctx, &b).Close()
}

func orNoRows(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return err
}

func collect[T any](to *[]T) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
		if err == nil && got != nil {
			*to = got
		}
		return err
	}
}

package consistency

import (
	"context"
	"fmt"
	"hash/maphash"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/queue/celery"
)

// survey is what one pass over the broker and the jobs found. Of the messages it keeps
// a hash each, so that its size does not depend on theirs.
type survey struct {
	l     *look
	seed  maphash.Seed
	tasks map[uint64]bool  // hashes of the task ids in the broker
	jobs  map[int64]uint16 // how many messages name a job

	lost, twice, finished, orphans, zombies, overdue, malformed, replies outcome
}

// add notes one more finding, as far as there is room.
func (s *survey) add(o *outcome, subject, sample string) {
	o.count++
	if len(o.subjects) < maxSubjects {
		o.subjects = append(o.subjects, subject)
	}
	if len(o.samples) < s.l.options.MaxSamples {
		o.samples = append(o.samples, sample)
	}
}

func (l *look) readSurvey() (*survey, error) {
	if l.options.BrokerErr != nil {
		return nil, l.options.BrokerErr
	}
	s := &survey{l: l, seed: maphash.MakeSeed(), tasks: make(map[uint64]bool), jobs: make(map[int64]uint16)}
	for _, step := range []func(context.Context) error{s.messages, s.reserved, s.replyQueues, s.pending, s.processing} {
		if err := step(l.ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *survey) hash(id string) uint64 { return maphash.String(s.seed, id) }

func (s *survey) messages(ctx context.Context) error {
	return s.l.options.Broker.EachMessage(ctx, func(chunk []celery.Found) error {
		var ids []int64
		var tasks []string
		for _, m := range chunk {
			if m.Defect != "" {
				what := "it would be dropped"
				if m.Poison {
					what = "it crashes the worker"
				}
				s.add(&s.malformed, m.TaskID+m.Defect, fmt.Sprintf("%s, index %d: %s (%s)", m.List, m.Index, m.Defect, what))
			}
			if m.TaskID != "" {
				s.tasks[s.hash(m.TaskID)] = true
			}
			if m.JobID <= 0 {
				continue
			}
			if s.jobs[m.JobID]++; s.jobs[m.JobID] == 2 {
				s.add(&s.twice, strconv.FormatInt(m.JobID, 10), fmt.Sprintf("job %d: a second message is task %s in %s", m.JobID, m.TaskID, m.List))
			}
			ids, tasks = append(ids, m.JobID), append(tasks, m.TaskID)
		}
		return s.jobsOf(ctx, ids, tasks)
	})
}

// jobsOf looks up the jobs that a chunk of messages names.
func (s *survey) jobsOf(ctx context.Context, ids []int64, tasks []string) error {
	if len(ids) == 0 {
		return nil
	}
	return s.l.query(ctx, `SELECT m.job, m.task, coalesce(j.status::text, '') FROM unnest($1::bigint[], $2::text[]) AS m (job, task)
		LEFT JOIN jobs j ON j.id = m.job WHERE j.id IS NULL OR j.status IN ('COMPLETED', 'FAILED', 'CANCELLED')`, []any{ids, tasks}, func(rows pgx.Rows) error {
		for rows.Next() {
			var (
				job          int64
				task, status string
			)
			if err := rows.Scan(&job, &task, &status); err != nil {
				return err
			}
			if status == "" {
				s.add(&s.orphans, task, fmt.Sprintf("task %s: there is no job %d", task, job))
			} else {
				s.add(&s.finished, task, fmt.Sprintf("task %s: job %d is %s", task, job, status))
			}
		}
		return rows.Err()
	})
}

func (s *survey) reserved(ctx context.Context) error {
	found, total, err := s.l.options.Broker.ReservedBefore(ctx, time.Now().Add(-s.l.options.Visibility), maxSubjects)
	if err != nil {
		return err
	}
	for _, m := range found {
		s.add(&s.overdue, m.Tag, "delivery "+m.Tag+" in "+m.List)
	}
	s.overdue.count = total
	return nil
}

func (s *survey) replyQueues(ctx context.Context) error {
	found, err := s.l.options.Broker.ReplyQueues(ctx)
	for _, q := range found {
		s.add(&s.replies, fmt.Sprint(q.List, q.Length), fmt.Sprintf("%s: %d answers", q.List, q.Length))
	}
	return err
}

// pending looks for jobs that have waited for a while and whose task is not in the broker.
func (s *survey) pending(ctx context.Context) error {
	waiting, err := s.outbox(ctx)
	if err != nil {
		return err
	}
	type job struct {
		id           int64
		task, sample string
	}
	var missing []job
	err = s.l.query(ctx, `SELECT id, task_id, format('job %s (%s), task %s, of campaign %s', id, job_type, task_id, campaign_id) FROM jobs
		WHERE status = 'PENDING' AND task_id IS NOT NULL AND coalesce(updated_at, created_at) < now() - interval '1 minute'`, nil, func(rows pgx.Rows) error {
		for rows.Next() {
			var j job
			if err := rows.Scan(&j.id, &j.task, &j.sample); err != nil {
				return err
			}
			if s.tasks[s.hash(j.task)] || waiting[j.id] || s.jobs[j.id] > 0 {
				continue
			}
			if s.lost.count++; len(missing) < maxSubjects {
				missing = append(missing, j)
			}
		}
		return rows.Err()
	})
	if err != nil || len(missing) == 0 {
		return err
	}
	// A task that has just begun is in no queue: its result says so.
	ids := make([]string, len(missing))
	for i, j := range missing {
		ids[i] = j.task
	}
	started, err := s.l.options.Broker.Started(ctx, ids)
	if err != nil {
		return err
	}
	running := make(map[string]bool)
	for _, h := range started {
		running[h.TaskID] = true
	}
	s.lost.count -= int64(len(missing))
	for _, j := range missing {
		if !running[j.task] {
			s.add(&s.lost, strconv.FormatInt(j.id, 10), j.sample)
		}
	}
	return nil
}

// outbox lists the jobs whose task is still on its way to the broker.
func (s *survey) outbox(ctx context.Context) (map[int64]bool, error) {
	waiting := make(map[int64]bool)
	if there, err := s.l.installed("outbox"); err != nil || !there {
		return waiting, err
	}
	return waiting, s.l.query(ctx, `SELECT unnest(job_ids)::bigint FROM leadgenctl.outbox WHERE published_at IS NULL`, nil, func(rows pgx.Rows) error {
		var id int64
		_, err := pgx.ForEachRow(rows, []any{&id}, func() error { waiting[id] = true; return nil })
		return err
	})
}

func (s *survey) processing(ctx context.Context) error {
	return s.l.query(ctx, fmt.Sprintf(`SELECT id, coalesce(task_id, ''), format('job %%s (%%s), PROCESSING since %%s', id, job_type,
			to_char(coalesce(updated_at, created_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) FROM jobs
		WHERE status = 'PROCESSING' AND coalesce(updated_at, created_at) < now() - interval %s ORDER BY id`, seconds(s.l.options.TaskTimeLimit)), nil, func(rows pgx.Rows) error {
		for rows.Next() {
			var (
				id           int64
				task, sample string
			)
			if err := rows.Scan(&id, &task, &sample); err != nil {
				return err
			}
			if !s.tasks[s.hash(task)] && s.jobs[id] == 0 {
				s.add(&s.zombies, strconv.FormatInt(id, 10), sample)
			}
		}
		return rows.Err()
	})
}

package consistency

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

// survey is what one pass over the broker and one over the jobs that have not ended found.
// Of the messages it keeps a hash each, so that its size does not depend on theirs.
type survey struct {
	l     *look
	seed  maphash.Seed
	tasks []uint64 // hashes of the task ids in the broker
	loose []uint64 // of those, the ones of messages that name no job: its row names them
	named idSet    // the jobs that messages name
	again idSet    // those that more than one names

	lost, twice, finished, orphans, zombies, overdue, malformed, replies outcome
}

// add notes one more finding, as far as there is room.
func (s *survey) add(o *outcome, subject, sample string) {
	o.count++
	if len(o.subjects) < maxSubjects {
		o.subjects, o.names = append(o.subjects, strings.Clone(subject)), append(o.names, sample)
		o.samples = o.names[:min(len(o.names), s.l.options.MaxSamples)]
	}
}

// readSurvey reads the broker.
func (l *look) readSurvey() (*survey, error) {
	if l.options.BrokerErr != nil {
		return nil, l.options.BrokerErr
	}
	s := &survey{l: l, seed: maphash.MakeSeed()}
	for _, step := range []func(context.Context) error{s.messages, s.repeated, s.reserved, s.replyQueues} {
		if err := step(l.ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// compareSurvey compares what was read from the broker with the jobs.
func (l *look) compareSurvey() (*survey, error) {
	s, err := l.surveyOnce()
	if err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{s.unnamed, s.strangers} {
		if err := step(l.ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *survey) hash(id string) uint64 { return maphash.String(s.seed, id) }

func (s *survey) messages(ctx context.Context) error {
	return s.l.options.Broker.EachMessage(ctx, func(chunk []celery.Found) error {
		workers, err := s.l.crewOnce()
		if err != nil {
			return err
		}
		for _, m := range chunk {
			s.judge(m, workers)
			if m.TaskID != "" {
				s.tasks = append(s.tasks, s.hash(m.TaskID))
			}
			if isLoose(m) {
				s.loose = append(s.loose, s.hash(m.TaskID))
			}
			if m.JobID <= 0 || !queue.RunsJob(s.l.options.Tasks, m.Name) {
				continue
			}
			if !s.named.add(m.JobID) && s.again.add(m.JobID) {
				s.add(&s.twice, strconv.FormatInt(m.JobID, 10), fmt.Sprintf("job %d: a second message is task %s in %s", m.JobID, m.TaskID, m.List))
			}
		}
		return nil
	})
}

// judge looks for a message that a worker cannot read, or drops.
func (s *survey) judge(m celery.Found, workers *crew) {
	switch {
	case m.Poison:
		s.add(&s.malformed, m.TaskID+m.Defect, fmt.Sprintf("%s, index %d: %s (it crashes the worker)", m.List, m.Index, m.Defect))
	case m.Defect != "":
		s.add(&s.malformed, m.TaskID+m.Defect, fmt.Sprintf("%s, index %d: %s (it would be dropped)", m.List, m.Index, m.Defect))
	case m.Place == queue.PlaceQueued && m.Name != "" && !workers.knows(m.Name):
		s.add(&s.malformed, m.TaskID+m.Name, fmt.Sprintf("%s, index %d: no worker knows the task %.80q (it would be dropped)", m.List, m.Index, m.Name))
	}
	if m.NoJob != "" {
		s.add(&s.orphans, m.TaskID, fmt.Sprintf("task %s: there is no job %s", m.TaskID, m.NoJob))
	}
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

// isLoose says whether a message names no job, as those of enrich_lead_task.
func isLoose(m celery.Found) bool { return m.JobID == 0 && m.NoJob == "" && m.TaskID != "" }

// repeated looks for messages that name no job and are there more than once. There are few,
// or none, so that they are looked for a second time rather than all remembered.
func (s *survey) repeated(ctx context.Context) error {
	slices.Sort(s.loose)
	met := map[uint64]bool{} // those that repeat, and whether one was met
	for i := 1; i < len(s.loose); i++ {
		if s.loose[i] == s.loose[i-1] {
			met[s.loose[i]] = false
		}
	}
	if len(met) == 0 {
		return nil
	}
	return s.l.options.Broker.EachMessage(ctx, func(chunk []celery.Found) error {
		for _, m := range chunk {
			before, repeats := met[s.hash(m.TaskID)]
			switch {
			case !repeats || !isLoose(m):
			case before:
				delete(met, s.hash(m.TaskID)) // told once, however many there are
				s.add(&s.twice, doubledTask+m.TaskID, fmt.Sprintf("task %s (%s): a second message in %s", m.TaskID, m.Name, m.List))
			default:
				met[s.hash(m.TaskID)] = true
			}
		}
		return nil
	})
}

// strangers looks for messages whose job has ended, or is none. There are few, or none, so
// that they are looked for a second time rather than all remembered the first time.
func (s *survey) strangers(ctx context.Context) error {
	live, err := s.l.liveJobs()
	if err != nil {
		return err
	}
	ids := slices.Collect(s.named.without(&live.all))
	if len(ids) == 0 && len(s.loose) == 0 {
		return nil
	}
	status, err := s.statusOf(ctx, ids)
	if err != nil {
		return err
	}
	return s.l.options.Broker.EachMessage(ctx, func(chunk []celery.Found) error {
		ended, err := s.ended(ctx, chunk)
		if err != nil {
			return err
		}
		for _, m := range chunk {
			switch now, stranger := status[m.JobID]; {
			case ended[m.TaskID] != "" && isLoose(m):
				s.add(&s.finished, m.TaskID, fmt.Sprintf("task %s: job %s", m.TaskID, ended[m.TaskID]))
			case m.JobID <= 0 || !stranger || !queue.RunsJob(s.l.options.Tasks, m.Name):
			case now == "":
				s.add(&s.orphans, m.TaskID, fmt.Sprintf("task %s: there is no job %d", m.TaskID, m.JobID))
			default:
				s.add(&s.finished, m.TaskID, fmt.Sprintf("task %s: job %d is %s", m.TaskID, m.JobID, now))
			}
		}
		return nil
	})
}

// statusOf reads the status of jobs, "" for those that there are not.
func (s *survey) statusOf(ctx context.Context, ids []int64) (map[int64]string, error) {
	status := make(map[int64]string, len(ids))
	if len(ids) == 0 {
		return status, nil
	}
	return status, s.l.query(ctx, `SELECT m.job, coalesce(j.status::text, '') FROM unnest($1::bigint[]) AS m (job) LEFT JOIN jobs AS j ON j.id = m.job`, []any{ids}, func(rows pgx.Rows) error {
		var id int64
		var now string
		_, err := pgx.ForEachRow(rows, []any{&id, &now}, func() error {
			status[id] = now
			return nil
		})
		return err
	})
}

// ended reads which of some messages that name no job are of a row whose job has ended.
func (s *survey) ended(ctx context.Context, chunk []celery.Found) (map[string]string, error) {
	var tasks []string
	for _, m := range chunk {
		if isLoose(m) {
			tasks = append(tasks, m.TaskID)
		}
	}
	if len(tasks) == 0 {
		return nil, nil
	}
	jobs := map[string]string{}
	return jobs, s.l.query(ctx, `SELECT task_id, format('%s is %s', id, status) FROM jobs
		WHERE task_id = ANY ($1::text[]) AND status::text IN ('COMPLETED', 'FAILED', 'CANCELLED')`, []any{tasks}, func(rows pgx.Rows) error {
		var task, job string
		_, err := pgx.ForEachRow(rows, []any{&task, &job}, func() error {
			jobs[task] = job
			return nil
		})
		return err
	})
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

package consistency

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// suspect is a live job that no message names.
type suspect struct {
	id                   int64
	task, kind, campaign string
	since                string // when it was last changed
	pending              bool
}

// unnamed looks for jobs that have waited for a while and whose task is not in the
// broker, and for those that nobody works on.
func (s *survey) unnamed(ctx context.Context) error {
	live, err := s.l.liveJobs()
	if err != nil {
		return err
	}
	suspects := slices.Collect(live.late.without(&s.named))
	if len(suspects) == 0 {
		return nil
	}
	waiting, err := s.outbox(ctx)
	if err != nil {
		return err
	}
	slices.Sort(s.tasks)
	for chunk := range slices.Chunk(suspects, maxSubjects) {
		missing, err := s.look(ctx, chunk, waiting)
		if err == nil {
			err = s.begun(ctx, missing)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// look reads the jobs that no message names, and leaves out those whose task is queued
// all the same, or on its way.
func (s *survey) look(ctx context.Context, ids []int64, waiting map[int64]bool) (missing []suspect, err error) {
	err = s.l.query(ctx, `SELECT id, coalesce(task_id, ''), job_type::text, coalesce(campaign_id, ''),
			coalesce(to_char(coalesce(updated_at, created_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'an unknown time'), status = 'PENDING'
		FROM jobs WHERE id = ANY ($1::bigint[]) ORDER BY id`, []any{ids}, func(rows pgx.Rows) error {
		var j suspect
		_, err := pgx.ForEachRow(rows, []any{&j.id, &j.task, &j.kind, &j.campaign, &j.since, &j.pending}, func() error {
			if _, queued := slices.BinarySearch(s.tasks, s.hash(j.task)); !queued && !(j.pending && waiting[j.id]) {
				missing = append(missing, j)
			}
			return nil
		})
		return err
	})
	return missing, err
}

// begun reports the jobs whose task has not begun, or was begun by a worker that is dead.
func (s *survey) begun(ctx context.Context, missing []suspect) error {
	if len(missing) == 0 {
		return nil
	}
	ids := make([]string, len(missing))
	for i, j := range missing {
		ids[i] = j.task
	}
	by, err := startedBy(ctx, s.l.options.Broker, ids)
	if err != nil {
		return err
	}
	var workers *crew
	if slices.ContainsFunc(missing, func(j suspect) bool { return !j.pending || by[j.task] != "" }) {
		if workers, err = s.l.crewOnce(); err != nil {
			return err
		}
	}
	for _, j := range missing {
		switch id := strconv.FormatInt(j.id, 10); {
		case j.pending && (by[j.task] == "" || !workers.holds(j.id, j.task, by[j.task])):
			s.add(&s.lost, id, fmt.Sprintf("job %d (%s), task %s, of campaign %s", j.id, j.kind, j.task, j.campaign))
		case !j.pending && !workers.holds(j.id, j.task, by[j.task]):
			s.add(&s.zombies, id, fmt.Sprintf("job %d (%s), PROCESSING since %s", j.id, j.kind, j.since))
		}
	}
	return nil
}

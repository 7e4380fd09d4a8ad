package queue

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// FailPrefix begins jobs.error of a job whose task could not be created.
const FailPrefix = "Failed to create celery task during resume: "

// settlement collects what becomes of the jobs of a batch, to be written at once.
// Every write tests that the job is still as it was left: PENDING under the new task.
type settlement struct {
	held       []heldJob
	failed     []failedJob
	superseded []entryRow
}

type heldJob struct {
	entryRow
	task, worker string
}

type failedJob struct {
	entryRow
	attempts int
	cause    string
}

func (s *settlement) hold(e entryRow, task, worker string) {
	if task == "" {
		task = e.old
	}
	s.held = append(s.held, heldJob{e, task, worker})
}

func (s *settlement) fail(e entryRow, attempts int, cause string) {
	s.failed = append(s.failed, failedJob{e, attempts, cause})
}

func (s *settlement) write(ctx context.Context, tx pgx.Tx, epoch int64) error {
	var b pgx.Batch
	for _, h := range s.held {
		// A worker that has the task already made the row PROCESSING, or ended it: then
		// only the task id is put right.
		b.Queue(`WITH back AS (
				UPDATE jobs SET status = CASE WHEN status = 'PENDING' THEN 'PROCESSING' ELSE status END,
					task_id = nullif($3, ''), updated_at = now()
				WHERE id = $1 AND task_id = $2 AND NOT EXISTS (SELECT FROM jobs WHERE task_id = $3 AND id <> $1) RETURNING id)
			INSERT INTO leadgenctl.held_jobs (job_id, task_id, worker, epoch) SELECT id, $3, nullif($4, ''), $5 FROM back
			ON CONFLICT (job_id) DO UPDATE SET task_id = $3, worker = nullif($4, ''), epoch = $5, since = now()`,
			h.ID, h.next.String(), h.task, h.worker, epoch)
		// The task has made a row of its own with its id: this one gives way.
		b.Queue(`UPDATE jobs AS j SET status = 'CANCELLED', completed_at = now(), updated_at = now(),
				error = 'Superseded by job ' || o.id || ', which task ' || o.task_id || ' made'
			FROM jobs AS o WHERE j.id = $1 AND j.task_id = $2 AND j.status = 'PENDING' AND o.task_id = $3 AND o.id <> $1`,
			h.ID, h.next.String(), h.task)
	}
	for _, f := range s.failed {
		b.Queue(`WITH failed AS (
				UPDATE jobs SET status = 'FAILED', error = $3, completed_at = now(), updated_at = now()
				WHERE id = $1 AND task_id = $2 AND status = 'PENDING' RETURNING id)
			INSERT INTO leadgenctl.dispatch_failures (job_id, task_id, attempts, error) SELECT id, $2::uuid, $4, $5 FROM failed`,
			f.ID, f.next.String(), FailPrefix+f.cause, f.attempts, f.cause)
	}
	for _, e := range s.superseded {
		// The new task inserts a row with its own id: this row must not have it.
		b.Queue(`WITH closed AS (
				UPDATE jobs SET status = 'CANCELLED', error = $3, completed_at = now(), updated_at = now(),
					task_id = (SELECT nullif($4, '') WHERE NOT EXISTS (SELECT FROM jobs WHERE task_id = $4 AND id <> $1))
				WHERE id = $1 AND task_id = $2 AND status = 'PENDING' RETURNING id)
			INSERT INTO leadgenctl.superseded_jobs (job_id, task_id, lead_id, epoch) SELECT id, $2::uuid, $5, $6 FROM closed
			ON CONFLICT (job_id) DO UPDATE SET task_id = $2::uuid, epoch = $6, at = now()`,
			e.ID, e.next.String(), "Superseded on resume by task "+e.next.String()+", which makes its own job", e.old, e.LeadID, epoch)
	}
	if b.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, &b).Close()
}

package queue

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// ResumeOptions say how paused jobs are resumed. The zero value resumes all at once.
type ResumeOptions struct {
	// AssumeDead takes a worker that listens but does not answer for dead: the tasks
	// that it may hold are made anew, and run twice if it lives.
	AssumeDead bool

	// The pace: Canary jobs first, then a wait of CanaryWait, then the rest in steps of
	// Batch jobs, at most Rate jobs a second. The breaker opening again ends it.
	Canary     int64
	CanaryWait time.Duration
	Rate       float64
	Batch      int64

	// Undo makes a job what it was before the pause, with its own task, where that is
	// still queued or with a worker; messages that were withdrawn go back first. Only what
	// is left is resumed.
	Undo bool

	// Continue goes on with a paced resume that was interrupted, at its own pace.
	Continue bool
}

func (o ResumeOptions) paced() bool { return o.Canary > 0 || o.Rate > 0 || o.Batch > 0 }

// Validate refuses options that contradict themselves.
func (o ResumeOptions) Validate() error {
	switch {
	case math.IsNaN(o.Rate) || math.IsInf(o.Rate, 0):
		return errors.New("the rate is no number of jobs a second")
	case o.Canary < 0 || o.CanaryWait < 0 || o.Rate < 0 || o.Batch < 0:
		return errors.New("the canary, its wait, the rate and the batch cannot be negative")
	case o.Undo && (o.paced() || o.Continue):
		return errors.New("a pause is undone at once: it has no pace")
	case o.CanaryWait > 0 && o.Canary == 0:
		return errors.New("a canary wait needs a canary")
	case o.Continue && o.paced():
		return errors.New("a resume that is continued keeps its pace: give either")
	}
	return nil
}

//go:embed sql/resume.sql
var resumeSQL string

// ResumeAllJobsOnBreakerClose resumes every paused job of a closed breaker; it is what
// Close does after Redis. While the breaker is open it is ErrBreakerOpen.
func (m *Manager) ResumeAllJobsOnBreakerClose(ctx context.Context, o ResumeOptions) (Result, error) {
	if err := o.Validate(); err != nil {
		return Result{}, err
	}
	last, err := m.latest(ctx)
	if err != nil {
		return Result{}, err
	}
	t, err := m.adopt(ctx, last, false)
	if err != nil {
		return Result{}, err
	}
	if t.State == breaker.Open {
		return Result{Transition: t}, fmt.Errorf("resume the jobs: %w", ErrBreakerOpen)
	}
	if err := m.preflight(ctx); err != nil {
		return Result{Transition: t}, err
	}
	return m.follow(ctx, last, t, t, &o)
}

// preflight refuses to begin a resume whose tasks no worker would run. A broker that
// is away is no reason: the outbox waits for it.
func (m *Manager) preflight(ctx context.Context) error {
	if m.settings.Broker == nil {
		return nil
	}
	rows, err := m.pool.Query(ctx, "SELECT DISTINCT job_type::text FROM jobs WHERE status = 'PAUSED'")
	if err != nil {
		return databaseError("look at the paused jobs", err)
	}
	types, err := pgx.CollectRows(rows, pgx.RowTo[JobType])
	if err != nil {
		return databaseError("look at the paused jobs", err)
	}
	var names []string
	for _, t := range types {
		spec, ok := m.settings.Tasks[t]
		if !ok {
			return fmt.Errorf("job type %s: %w", t, ErrNoTask)
		}
		names = append(names, spec.Task)
	}
	fleet, err := m.settings.Broker.Workers(ctx)
	if err != nil {
		return nil
	}
	return (&survey{fleet: fleet}).unregistered(names)
}

// resumeStep resumes at most limit paused jobs after the given id (all for a limit
// of 0), in one statement. It returns how many, and the last id.
func (m *Manager) resumeStep(ctx context.Context, tx pgx.Tx, epoch, after, limit int64) (n, last int64, err error) {
	if m.settings.Broker == nil {
		tag, err := tx.Exec(ctx, `UPDATE jobs SET status = 'PENDING', error = NULL, completed_at = NULL, updated_at = now()
			WHERE status = 'PAUSED'`)
		return tag.RowsAffected(), 0, err
	}
	upTo := int64(math.MaxInt32)
	if limit > 0 {
		err := tx.QueryRow(ctx, `SELECT coalesce(max(id), $1) FROM (
			SELECT id FROM jobs WHERE status = 'PAUSED' AND id > $1 ORDER BY id LIMIT $2) AS next`, after, limit).Scan(&upTo)
		if err != nil {
			return 0, after, err
		}
	}
	err = tx.QueryRow(ctx, resumeSQL, epoch, after, upTo, batchSize, nil).Scan(&n, &last)
	return n, last, err
}

// findLeads notes the lead of each paused job whose task wants one: one pass over the
// leads for the whole resume.
func (m *Manager) findLeads(ctx context.Context, tx pgx.Tx, status Status) error {
	types := leadTypes(m.settings.Tasks)
	if m.settings.Broker == nil || len(types) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO leadgenctl.job_leads (job_id, lead_id)
		SELECT j.id, min(l.id) FROM jobs AS j JOIN leads AS l ON l.enrichment_job_id = j.id::text
		WHERE j.status = $1::text::jobstatus AND j.job_type::text = ANY ($2)
		GROUP BY j.id ON CONFLICT (job_id) DO UPDATE SET lead_id = excluded.lead_id`, string(status), types)
	return err
}

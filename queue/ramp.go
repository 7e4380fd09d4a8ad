package queue

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
)

// ramp is a paced resume: small steps, each resumed and dispatched before the next.
// Its pace and how far it came are in leadgenctl.resumes.
type ramp struct {
	m          *Manager
	epoch      int64
	pace       ResumeOptions
	canaryDone bool
	canaryLeft int64
	survey     *survey
	after      int64 // the last job id that was resumed
	total      int64
	resumed    int64
	dispatched Dispatched
}

// beginRamp notes the pace, or reads that of a ramp to be continued.
func beginRamp(ctx context.Context, tx pgx.Tx, epoch int64, o ResumeOptions) error {
	if o.Continue {
		_, err := tx.Exec(ctx, "UPDATE leadgenctl.resumes SET stopped_reason = NULL WHERE epoch = $1", epoch)
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO leadgenctl.resumes (epoch, canary, canary_wait, rate, batch) VALUES ($1, $2, $3::bigint * interval '1 microsecond', $4, $5)
		ON CONFLICT (epoch) DO UPDATE SET canary = $2, canary_wait = excluded.canary_wait, rate = $4, batch = $5,
			canary_done = false, canary_resumed = 0, finished_at = NULL, stopped_reason = NULL`,
		epoch, o.Canary, o.CanaryWait.Microseconds(), o.Rate, o.Batch)
	return err
}

// unfinishedRamp says whether a paced resume of the epoch was interrupted.
func unfinishedRamp(ctx context.Context, q querier, epoch int64) (bool, error) {
	var found bool
	err := q.QueryRow(ctx, "SELECT EXISTS (SELECT FROM leadgenctl.resumes WHERE epoch = $1 AND finished_at IS NULL)", epoch).Scan(&found)
	return found, err
}

// rampFinding tells of a ramp that has not come to its end.
func rampFinding(ctx context.Context, q querier, epoch int64) (Finding, error) {
	f := Finding{Kind: FoundRamp, Epoch: epoch, Loud: true, Action: "left alone: go on with leadgenctl queue resume --continue"}
	left, err := pausedJobs(ctx, q)
	if err != nil {
		return f, err
	}
	at, err := ReadAtWork(ctx, q)
	f.Jobs, f.Detail = left, fmt.Sprintf("a paced resume of epoch %d was interrupted: %d jobs are still paused", epoch, left)
	if at.Ramp {
		f.Loud, f.Action, f.Detail = false, "left to it", fmt.Sprintf("a paced resume of epoch %d is at work: %d jobs are still paused", epoch, left)
	}
	return f, err
}

func pausedJobs(ctx context.Context, q querier) (n int64, err error) {
	err = q.QueryRow(ctx, "SELECT count(*) FROM jobs WHERE status = 'PAUSED'").Scan(&n)
	return n, err
}

// holdRamp takes the lock until the process ends or calls release: it belongs to a
// transaction that stays open, which a pooler in transaction mode allows.
func (m *Manager) holdRamp(ctx context.Context) (release func(), err error) {
	tx, err := m.pool.Begin(ctx)
	if err != nil {
		return nil, err
	}
	var mine bool
	if err = tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", int64(rampLock)).Scan(&mine); err == nil && !mine {
		err = ErrRampAtWork
	}
	if err != nil {
		_ = tx.Rollback(context.WithoutCancel(ctx)) // nothing was done in it
		return nil, err
	}
	alive, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { // servers end transactions that are idle for long
		defer close(done)
		for {
			select {
			case <-alive.Done():
				_ = tx.Rollback(context.WithoutCancel(ctx)) // nothing was done in it
				return
			case <-time.After(5 * time.Second):
				_, _ = tx.Exec(alive, "SELECT 1") // a lock that is lost is taken by who comes next
			}
		}
	}()
	return func() { stop(); <-done }, nil
}

func (m *Manager) ramp(ctx context.Context, epoch int64, assumeDead bool) (*ramp, error) {
	r := &ramp{m: m, epoch: epoch}
	release, err := m.holdRamp(ctx)
	if err != nil {
		return r, databaseError("begin a paced resume", err)
	}
	defer release()
	var wait int64 // microseconds
	err = m.pool.QueryRow(ctx, `SELECT canary, (extract(epoch FROM canary_wait) * 1e6)::bigint, rate, batch, canary_done, canary - canary_resumed FROM leadgenctl.resumes WHERE epoch = $1`, epoch).
		Scan(&r.pace.Canary, &wait, &r.pace.Rate, &r.pace.Batch, &r.canaryDone, &r.canaryLeft)
	if err != nil {
		return r, databaseError("read the pace of the resume", err)
	}
	r.pace.CanaryWait, r.pace.AssumeDead = time.Duration(wait)*time.Microsecond, assumeDead
	if r.total, err = pausedJobs(ctx, m.pool); err != nil {
		return r, databaseError("count the paused jobs", err)
	}
	if m.settings.Broker != nil {
		if r.survey, err = m.survey(ctx, wantedSQL, wantedOutboxSQL); err != nil {
			return r, err
		}
	}
	err = r.run(ctx)
	if err != nil && ctx.Err() == nil {
		_, noteErr := m.pool.Exec(ctx, "UPDATE leadgenctl.resumes SET stopped_reason = $2 WHERE epoch = $1", epoch, err.Error())
		err = errors.Join(err, databaseError("note why the resume stopped", noteErr))
	}
	return r, err
}

func (r *ramp) run(ctx context.Context) error {
	if r.pace.Canary > 0 && !r.canaryDone {
		if r.canaryLeft > 0 {
			if _, err := r.step(ctx, r.canaryLeft); err != nil {
				return err
			}
		}
		r.m.settings.Step("queue.ramp.canary")
		if err := r.wait(ctx, r.pace.CanaryWait); err != nil {
			return err
		}
		if _, err := r.m.pool.Exec(ctx, "UPDATE leadgenctl.resumes SET canary_done = true WHERE epoch = $1", r.epoch); err != nil {
			return databaseError("note that the canary lives", err)
		}
	}
	size, pause := r.stride()
	for {
		start := time.Now()
		n, err := r.step(ctx, size)
		if err != nil {
			return err
		}
		r.m.settings.Step("queue.ramp.step")
		if n == 0 && r.after == 0 {
			return r.finish(ctx)
		}
		if n == 0 {
			r.after = 0 // once more from the start: a worker may have paused a job behind us
			continue
		}
		if err := r.wait(ctx, pause-time.Since(start)); err != nil {
			return err
		}
	}
}

// stride is the size of a step and how long it lasts at the rate that was asked for.
func (r *ramp) stride() (size int64, lasts time.Duration) {
	size = r.pace.Batch
	if r.pace.Rate == 0 {
		return size, 0
	}
	if size == 0 {
		size = int64(min(max(1, math.Ceil(r.pace.Rate)), batchSize))
	}
	return size, time.Duration(float64(size) / r.pace.Rate * float64(time.Second))
}

// step resumes and dispatches some jobs, if the epoch is still the last.
func (r *ramp) step(ctx context.Context, limit int64) (n int64, err error) {
	if err := r.m.stillClosed(ctx); err != nil {
		return 0, err
	}
	err = r.m.inTx(ctx, "resume jobs", func(tx pgx.Tx) error {
		now, err := latest(ctx, tx)
		if err != nil {
			return err
		}
		if now.Epoch != r.epoch {
			return ErrReopened
		}
		var last int64
		if n, last, err = r.m.resumeStep(ctx, tx, r.epoch, r.after, limit); err != nil {
			return err
		}
		if n > 0 {
			r.after = last
		}
		_, err = tx.Exec(ctx, `UPDATE leadgenctl.resumes SET jobs_resumed = jobs_resumed + $2,
			canary_resumed = canary_resumed + CASE WHEN canary_done THEN 0 ELSE $2 END WHERE epoch = $1`, r.epoch, n)
		return err
	})
	if err != nil {
		return 0, err
	}
	r.resumed += n
	r.m.settings.Step("queue.ramp.resumed")
	if r.survey != nil && n > 0 {
		// What the survey does not cover is left to the relay after the ramp.
		d, _, err := r.m.dispatch(ctx, r.survey, r.pace.AssumeDead)
		r.dispatched.add(d)
		if err != nil {
			return n, err
		}
	}
	r.m.settings.OnProgress(min(r.resumed, r.total), r.total)
	return n, nil
}

// wait waits, and looks meanwhile whether the breaker opens again.
func (r *ramp) wait(ctx context.Context, d time.Duration) error {
	deadline := time.Now().Add(d)
	for {
		if err := r.m.stillClosed(ctx); err != nil {
			return err
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(left, 100*time.Millisecond)):
		}
	}
}

func (r *ramp) finish(ctx context.Context) error {
	return r.m.inTx(ctx, "finish the resume", func(tx pgx.Tx) error {
		var jobs int64
		if err := tx.QueryRow(ctx, `UPDATE leadgenctl.resumes SET finished_at = clock_timestamp() WHERE epoch = $1 RETURNING jobs_resumed`,
			r.epoch).Scan(&jobs); err != nil {
			return err
		}
		return markApplied(ctx, tx, r.epoch, jobs)
	})
}

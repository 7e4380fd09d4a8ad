package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// Open opens the breaker and pauses every active job. Work stops first, in Redis;
// then one transaction records the transition and pauses the jobs. Where the second
// part fails, the error is a *PartialError. On an open breaker it pauses what is
// active still.
func (m *Manager) Open(ctx context.Context, o breaker.OpenOptions) (Result, error) {
	m.settings.Step("queue.open.before")
	last, dbErr := m.latest(ctx)
	var before breaker.Transition
	var err error
	if dbErr == nil {
		if before, err = m.adopt(ctx, last, o.ReplaceMalformed); err != nil {
			return Result{}, err
		}
		o.EpochFloor = max(o.EpochFloor, last.Epoch)
	}
	m.settings.Step("queue.open.adopted")
	t, err := m.breaker.Open(ctx, o)
	if err != nil {
		return Result{}, err
	}
	m.settings.Step("queue.open.redis")
	if dbErr != nil {
		return m.partial(Result{Transition: t}, dbErr)
	}
	return m.follow(ctx, last, before, t, nil)
}

// Close closes the breaker and resumes every paused job. Redis comes first, so that
// workers do not pause the jobs again. Where the second part fails, the error is a
// *PartialError. On a closed breaker it resumes what is paused still, and goes on
// with a paced resume that was interrupted.
func (m *Manager) Close(ctx context.Context, o breaker.CloseOptions, ro ResumeOptions) (Result, error) {
	if err := ro.Validate(); err != nil {
		return Result{}, err
	}
	m.settings.Step("queue.close.before")
	// Without the log nothing is changed: closing can wait, unlike opening.
	last, err := m.latest(ctx)
	if err != nil {
		return Result{}, err
	}
	before, err := m.adopt(ctx, last, o.ReplaceMalformed)
	if err != nil {
		return Result{}, err
	}
	if err := m.preflight(ctx); err != nil {
		return Result{Transition: before}, err
	}
	m.settings.Step("queue.close.adopted")
	o.EpochFloor = max(o.EpochFloor, last.Epoch)
	t, err := m.breaker.Close(ctx, o)
	if err != nil {
		return Result{}, err
	}
	m.settings.Step("queue.close.redis")
	ro.Continue = !ro.paced() && !ro.Undo
	return m.follow(ctx, last, before, t, &ro)
}

func (m *Manager) partial(r Result, err error) (Result, error) {
	return r, &PartialError{Result: r, Err: err}
}

// follow makes the log and the jobs follow the breaker, which is now at t. ro is how
// jobs are resumed; without it an interrupted ramp is left alone.
func (m *Manager) follow(ctx context.Context, last entry, before, t breaker.Transition, ro *ResumeOptions) (Result, error) {
	r := Result{Transition: t, Findings: findings(last, before, t)}
	entries, err := m.since(ctx, last, before, t)
	if err != nil {
		return m.partial(r, err)
	}
	var a applied
	err = m.inTx(ctx, "record the transition and move the jobs", func(tx pgx.Tx) error {
		a, err = m.apply(ctx, tx, entries, t, ro)
		m.settings.Step("queue." + verb(t.State) + ".applied")
		return err
	})
	if errors.Is(err, ErrRampUnfinished) || errors.Is(err, ErrRampAtWork) {
		return r, err
	}
	if err != nil {
		return m.partial(r, err)
	}
	m.settings.Step("queue." + verb(t.State) + ".committed")
	r.JobsPaused, r.JobsResumed, r.JobsUndone = a.paused, a.resumed, a.undone
	r.Findings = append(r.Findings, a.findings...)
	if t.State == breaker.Open || m.settings.Broker == nil && !a.ramp {
		return r, nil
	}
	return m.resumed(ctx, r, a, ro)
}

// resumed runs the ramp, if there is one, and dispatches.
func (m *Manager) resumed(ctx context.Context, r Result, a applied, ro *ResumeOptions) (Result, error) {
	assumeDead := m.assumeDead || ro != nil && ro.AssumeDead
	var err error
	if a.ramp {
		var done *ramp
		done, err = m.ramp(ctx, a.epoch, assumeDead)
		if errors.Is(err, ErrRampAtWork) {
			return r, err
		}
		r.JobsResumed += done.resumed
		r.Dispatched.add(done.dispatched)
		var countErr error
		r.JobsLeft, countErr = pausedJobs(context.WithoutCancel(ctx), m.pool)
		err = errors.Join(err, databaseError("count the paused jobs", countErr))
	}
	if err == nil && m.settings.Broker != nil {
		err = m.dueNow(ctx)
	}
	if err == nil && m.settings.Broker != nil && ro == nil {
		var lost []Finding
		lost, err = m.followUp(ctx, a.epoch, assumeDead)
		r.Findings = append(r.Findings, lost...)
	}
	if err == nil && m.settings.Broker != nil {
		var d Dispatched
		d, err = m.relay(ctx, assumeDead)
		r.Dispatched.add(d)
		r.OutboxPending = d.OutboxPending
	}
	if err == nil && r.OutboxPending > 0 {
		r.Findings = append(r.Findings, Finding{Kind: FoundOutbox, Epoch: a.epoch, Jobs: r.OutboxPending, Action: "left to who works on them, or to leadgenctl queue relay",
			Detail: fmt.Sprintf("%d tasks are in the outbox and not on the broker", r.OutboxPending)})
	}
	if err != nil {
		if r.OutboxPending == 0 {
			r.OutboxPending, _ = outboxPending(context.WithoutCancel(ctx), m.pool)
		}
		return m.partial(r, err)
	}
	return r, nil
}

func verb(s breaker.State) string {
	if s == breaker.Open {
		return "open"
	}
	return "close"
}

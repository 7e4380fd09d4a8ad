package queue

import (
	"cmp"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/breaker"
)

type applied struct {
	epoch           int64 // of the log's last transition
	paused, resumed int64
	undone          int64
	ramp            bool // the jobs are to be resumed at a pace, after this transaction
	findings        []Finding
}

// apply records entries and moves the jobs as the log's last transition says, which
// is not t where somebody was faster.
func (m *Manager) apply(ctx context.Context, tx pgx.Tx, entries []entry, t breaker.Transition, ro *ResumeOptions) (applied, error) {
	var a applied
	if _, err := record(ctx, tx, entries); err != nil {
		return a, err
	}
	now, err := latest(ctx, tx)
	if err != nil {
		return a, err
	}
	a.epoch = now.Epoch
	m.settings.Step("queue." + verb(now.State) + ".recorded")
	if err := respell(ctx, tx); err != nil {
		return a, err
	}
	if now.State == breaker.Open {
		a.paused, err = pauseAll(ctx, tx, now.Epoch, cmp.Or(m.reason, now.Reason))
	} else if err = m.applyClosed(ctx, tx, now, ro, &a); err == nil && a.ramp {
		return a, nil // the ramp itself marks the epoch
	}
	if err != nil || len(a.findings) > 0 {
		return a, err
	}
	a.findings = strays(now, t, a)
	return a, markApplied(ctx, tx, now.Epoch, a.paused+a.resumed+a.undone)
}

// applyClosed resumes the paused jobs, or prepares a ramp that does.
func (m *Manager) applyClosed(ctx context.Context, tx pgx.Tx, now entry, ro *ResumeOptions, a *applied) error {
	unfinished, err := unfinishedRamp(ctx, tx, now.Epoch)
	if err != nil {
		return err
	}
	switch {
	case ro != nil && (ro.paced() || unfinished && ro.Continue):
		a.ramp = true
		if at, err := ReadAtWork(ctx, tx); err != nil || at.Ramp {
			return cmp.Or(err, ErrRampAtWork)
		}
		if err := beginRamp(ctx, tx, now.Epoch, *ro); err != nil {
			return err
		}
		return m.findLeads(ctx, tx, Paused)
	case unfinished && ro != nil:
		return ErrRampUnfinished
	case unfinished:
		f, err := rampFinding(ctx, tx, now.Epoch)
		a.findings = []Finding{f}
		return err
	}
	if now.Epoch == 0 && ro == nil {
		a.findings, err = leftToOthers(ctx, tx)
		return err
	}
	if ro != nil && ro.Undo {
		if a.undone, err = m.undo(ctx, tx); err != nil {
			return err
		}
	}
	if err := m.findLeads(ctx, tx, Paused); err != nil {
		return err
	}
	a.resumed, _, err = m.resumeStep(ctx, tx, now.Epoch, 0, 0)
	return err
}

// leftToOthers tells of jobs that the global breaker did not pause, for it was never
// open: the old breakers may still have a say, so only a person resumes them.
func leftToOthers(ctx context.Context, q querier) ([]Finding, error) {
	var n int64
	if err := q.QueryRow(ctx, "SELECT count(*) FROM jobs WHERE status = 'PAUSED'").Scan(&n); err != nil || n == 0 {
		return nil, err
	}
	return []Finding{{Kind: FoundPausedJobs, Jobs: n, Action: "left alone: resume them with leadgenctl queue resume",
		Detail: fmt.Sprintf("%d jobs are paused, and not by the global breaker, which was never open", n)}}, nil
}

// strays says what moved although t changed nothing: it had been left over.
func strays(now entry, t breaker.Transition, a applied) []Finding {
	f := Finding{Epoch: now.Epoch, Jobs: a.paused + a.resumed}
	switch {
	case t.Changed && t.Epoch == now.Epoch || now.Applied && f.Jobs == 0:
		return nil
	case !now.Applied:
		f.Kind = FoundUnapplied
		f.Detail = fmt.Sprintf("the jobs had not followed epoch %d (%s)", now.Epoch, now.State)
	case now.State == breaker.Open:
		f.Kind = FoundActiveJobs
		f.Detail = fmt.Sprintf("%d jobs were active while the circuit breaker is open", f.Jobs)
	default:
		f.Kind = FoundPausedJobs
		f.Detail = fmt.Sprintf("%d jobs were paused while the circuit breaker is closed", f.Jobs)
	}
	f.Action = fmt.Sprintf("%d jobs paused", a.paused)
	if now.State == breaker.Closed {
		f.Action = fmt.Sprintf("%d jobs resumed", a.resumed)
	}
	return []Finding{f}
}

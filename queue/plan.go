package queue

import (
	"context"
	"fmt"
	"slices"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// Plan says what Reconcile would find and do, and changes nothing. Rights to read are
// enough.
func (m *Manager) Plan(ctx context.Context) (Result, error) {
	last, err := m.latest(ctx)
	if err != nil {
		return Result{}, err
	}
	st, err := m.breaker.State(ctx)
	if err != nil {
		return Result{}, err
	}
	now := breaker.Transition{State: st.State, Previous: st.State, Epoch: st.Epoch, At: st.At, OpenedAt: st.OpenedAt,
		ClosedAt: st.ClosedAt, Reason: st.Reason, Service: st.Service, Actor: st.Actor, Source: st.Source}
	r := Result{Transition: now, Findings: planned(last, st)}
	state := judged(last, st)
	r.Transition.State = state
	counts, err := m.Counts(ctx)
	if err != nil {
		return r, err
	}
	if n := counts.Active(); state == breaker.Open && n > 0 {
		r.JobsPaused = n
		r.Findings = append(r.Findings, Finding{Kind: FoundActiveJobs, Epoch: st.Epoch, Jobs: n, Action: fmt.Sprintf("%d jobs would be paused", n),
			Detail: fmt.Sprintf("%d jobs are active while the circuit breaker is open", n)})
	}
	if state == breaker.Closed && last.Epoch == 0 && st.Epoch == 0 {
		fs, err := leftToOthers(ctx, m.pool)
		if err != nil {
			return r, databaseError("count the paused jobs", err)
		}
		r.Findings = append(r.Findings, fs...)
	} else if n := counts.Of(Paused); state == breaker.Closed && n > 0 {
		f := Finding{Kind: FoundPausedJobs, Epoch: st.Epoch, Jobs: n, Action: fmt.Sprintf("%d jobs would be resumed", n),
			Detail: fmt.Sprintf("%d jobs are paused while the circuit breaker is closed", n)}
		if ramp, err := unfinishedRamp(ctx, m.pool, last.Epoch); err != nil {
			return r, databaseError("read the paced resumes", err)
		} else if ramp {
			if f, err = rampFinding(ctx, m.pool, last.Epoch); err != nil {
				return r, databaseError("read the paced resumes", err)
			}
		} else {
			r.JobsResumed = n
		}
		r.Findings = append(r.Findings, f)
	}
	if r.OutboxPending, err = outboxPending(ctx, m.pool); err != nil {
		return r, databaseError("read the outbox", err)
	}
	if r.OutboxPending > 0 && state == breaker.Closed {
		r.Findings = append(r.Findings, Finding{Kind: FoundOutbox, Jobs: r.OutboxPending, Action: fmt.Sprintf("%d tasks would be dispatched", r.OutboxPending),
			Detail: fmt.Sprintf("%d tasks are in the outbox and not on the broker", r.OutboxPending)})
	}
	if state == breaker.Closed && m.settings.Broker != nil {
		r.Findings = append(r.Findings, m.plannedLost(ctx, st.Epoch)...)
	}
	return r, nil
}

// plannedLost says which tasks Reconcile would make anew. To ask the workers takes the
// right to publish: without it, or without the broker, that is said.
func (m *Manager) plannedLost(ctx context.Context, epoch int64) []Finding {
	missing, err := m.missing(ctx, false)
	if n := len(missing.jobs); missing.doubt != "" {
		return []Finding{{Kind: FoundUnknownTasks, Epoch: epoch, Jobs: int64(n), Action: "they would be left alone",
			Detail: fmt.Sprintf("the tasks of %d jobs may be lost: %s", n, missing.doubt)}}
	}
	var again, failed int64
	for chunk := range slices.Chunk(missing.jobs, lostAtOnce) {
		var l *lostTasks
		if l, err = m.judge(ctx, missing, chunk); err != nil {
			break
		}
		again, failed = again+int64(len(l.again)), failed+int64(len(l.failed))
	}
	if err != nil {
		return []Finding{{Kind: FoundUnknownTasks, Epoch: epoch, Action: "not looked at",
			Detail: "it is not known whether published tasks were lost: " + err.Error()}}
	}
	return lostFindings(epoch, again, failed, "would get", "would become")
}

// judged is the state that counts: a Redis that forgot an open breaker gets it back, so
// that the log is right.
func judged(last entry, st breaker.Status) breaker.State {
	if st.Epoch < last.Epoch && !st.External && last.State == breaker.Open {
		return breaker.Open
	}
	return st.State
}

// planned says what the breaker and the log do not agree on.
func planned(last entry, st breaker.Status) []Finding {
	var fs []Finding
	switch {
	case st.Pending:
		fs = append(fs, Finding{Kind: FoundForeign, Epoch: st.Epoch, Loud: true, Action: "it would be adopted under a new epoch",
			Detail: foreign(st.State, st.Reason)})
	case st.Lost:
		fs = append(fs, Finding{Kind: FoundLostKey, Epoch: st.Epoch, Loud: true, Action: "it would be restored",
			Detail: fmt.Sprintf("Redis has lost the key of a circuit breaker that is open since epoch %d", st.Epoch)})
	case st.Epoch < last.Epoch:
		kind := FoundLostState
		if last.State == breaker.Open {
			kind = FoundLostKey
		}
		fs = append(fs, Finding{Kind: kind, Epoch: last.Epoch, Loud: last.State == breaker.Open, Action: "it would be restored",
			Detail: fmt.Sprintf("Redis does not know that the circuit breaker is %s since epoch %d", last.State, last.Epoch)})
	case st.Epoch > last.Epoch:
		fs = append(fs, Finding{Kind: FoundUnrecorded, Epoch: st.Epoch, Action: "it would be recorded and applied to the jobs",
			Detail: fmt.Sprintf("PostgreSQL does not know epoch %d (%s)", st.Epoch, st.State)})
	case !last.Applied:
		fs = append(fs, Finding{Kind: FoundUnapplied, Epoch: last.Epoch, Action: "they would follow",
			Detail: fmt.Sprintf("the jobs have not followed epoch %d (%s)", last.Epoch, last.State)})
	}
	if st.TTL > 0 {
		fs = append(fs, Finding{Kind: FoundTTL, Epoch: st.Epoch, Action: "its time to live would be removed",
			Detail: fmt.Sprintf("the key expires in %s, and the circuit breaker would close unseen", st.TTL)})
	}
	return fs
}

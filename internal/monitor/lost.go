package monitor

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/notify"
	"github.com/leadgenctl/leadgenctl/internal/output"
)

// lostKey is the incident of a loss: not that of the opening, which is known already.
const lostKey = "leadgenctl/breaker-lost"

// lost is the message that Redis lost an open breaker.
func (m *Monitor) lost(e breaker.Event) notify.Message {
	msg := notify.Message{Event: "breaker_lost", Severity: notify.Critical, Host: m.o.Host, At: e.At,
		Title: "Redis has lost the global circuit breaker, which was OPEN" + because(e.Reason),
		Text:  "Nobody closed it: its key expired or was deleted, or Redis came back without it. The app takes it for closed and calls the services"}
	if !e.OpenedAt.IsZero() {
		msg.Text += "; it was opened at " + e.OpenedAt.Format(time.RFC3339)
	}
	if e.Service != "" {
		msg.Text += "; service " + e.Service
	}
	if e.Epoch > 0 {
		msg.Text += "\nPut it back: leadgenctl reconcile"
	} else {
		msg.Text += "\nAnother program had opened it, and nobody recorded that: leadgenctl reconcile finds nothing to put back." +
			"\nIf a service still fails: leadgenctl breaker open --reason REASON"
	}
	msg.Text = output.Printable(msg.Text)
	msg.Details = map[string]any{"epoch": e.Epoch, "reason": e.Reason, "service": e.Service, "error_type": e.ErrorType, "opened_at": e.OpenedAt}
	msg.Incidents = []notify.Incident{{Key: lostKey, Summary: msg.Title + " (" + msg.Text + ")", Severity: msg.Severity}}
	return msg
}

// found is the message that Redis knows the breaker again.
func (m *Monitor) found(e breaker.Event) notify.Message {
	msg := notify.Message{Event: "breaker_restored", Severity: notify.Info, Host: m.o.Host, At: e.At,
		Title:   "The global circuit breaker is back in Redis: it is " + shown(e.State),
		Text:    "Redis had lost its state",
		Details: map[string]any{"state": e.State, "epoch": e.Epoch, "opened_at": e.OpenedAt}}
	if e.State == breaker.Open {
		msg.Text += ", and it was put back.\nOnly a person closes it: leadgenctl breaker close"
	}
	msg.Incidents = []notify.Incident{{Key: lostKey, Summary: msg.Title, Severity: msg.Severity, Resolved: true}}
	return msg
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + output.OneLine(reason)
}

func shown(s breaker.State) string {
	if s == breaker.Open {
		return "OPEN"
	}
	return string(s)
}

// recorded is what a look compares Redis with.
type recorded struct {
	known bool             // PostgreSQL answered
	last  breaker.Event    // the last of its log; zero for none
	at    breaker.Position // what was told by then
}

// recorded reads the log before Redis, which is never behind it unless it lost something.
func (m *Monitor) recorded(ctx context.Context) (r recorded) {
	m.mu.Lock()
	r.at = m.state.Position
	m.mu.Unlock()
	if m.o.Pool == nil {
		return r
	}
	ctx, cancel := context.WithTimeout(ctx, followTime) // one that is frozen must not keep Redis from being asked
	defer cancel()
	e := &r.last
	err := m.o.Pool.QueryRow(ctx, `SELECT epoch, state, at, coalesce(opened_at, at), coalesce(reason, ''), coalesce(service, ''), coalesce(error_type, '')
		FROM leadgenctl.breaker_transitions ORDER BY epoch DESC LIMIT 1`).Scan(&e.Epoch, &e.State, &e.At, &e.OpenedAt, &e.Reason, &e.Service, &e.ErrorType)
	r.known = err == nil || errors.Is(err, pgx.ErrNoRows)
	return r
}

// forgot says whether Redis takes a breaker for closed that the log knows as open, as
// reconcile judges it: what another program wrote since counts.
func (r recorded) forgot(st breaker.Status) bool {
	return r.last.State == breaker.Open && r.last.Epoch > st.Epoch && st.State == breaker.Closed && !st.External && !st.At.After(r.last.At)
}

// compare tells of a loss that the breaker's events do not show: nobody watched, or Redis
// went back to an older state.
func (m *Monitor) compare(r recorded, st breaker.Status) {
	forgot := r.forgot(st)
	m.tellIf(func(s *state) (msg notify.Message, tell bool) {
		lost := forgot || s.Position.Lost
		unseen := !lost && (st.State == breaker.Open || st.Pending || st.Epoch > s.Position.Epoch) // the watcher is about to tell what put it back
		if !r.known || s.Position != r.at || unseen || lost == s.Lost {
			return msg, false
		}
		s.Lost, s.Unrecorded = lost, false
		now := time.Now().UTC()
		if !lost {
			return m.found(breaker.Event{State: st.State, Epoch: st.Epoch, At: now, OpenedAt: st.OpenedAt}), true
		}
		e := r.last
		e.At = now
		return m.lost(e), true
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.metrics.lost.Set(0)
	if m.state.Lost && !m.state.Unrecorded { // one of an opening that nobody recorded is told once: no command ends it
		m.metrics.lost.Set(1)
	}
}

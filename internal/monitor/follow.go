package monitor

import (
	"context"
	"fmt"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/notify"
)

// followTime is how long a message waits for the jobs to follow the breaker.
const followTime = 5 * time.Second

// waits is a transition that was told before the jobs had followed it.
type waits struct {
	Epoch int64         `json:"epoch"` // 0: another program wrote it, and nobody has recorded it yet
	After int64         `json:"after"` // then: the last epoch before it
	State breaker.State `json:"state"`
	At    time.Time     `json:"at"`
}

func (w waits) verb() string {
	if w.State == breaker.Open {
		return "paused"
	}
	return "resumed"
}

// jobs are how many jobs followed a transition, as soon as they have.
func (m *Monitor) jobs(ctx context.Context, w waits) (n int64, ok bool) {
	if m.o.Pool == nil || w.Epoch == 0 {
		return 0, false
	}
	for deadline := time.Now().Add(followTime); time.Now().Before(deadline); {
		if n, ok := m.affected(ctx, w); ok {
			return n, true
		}
		select {
		case <-ctx.Done():
			return 0, false
		case <-time.After(100 * time.Millisecond):
		}
	}
	return 0, false
}

// affected asks once. A transition without an epoch is the first of its state that was
// adopted since.
func (m *Monitor) affected(ctx context.Context, w waits) (n int64, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, followTime)
	defer cancel()
	var jobs *int64
	err := m.o.Pool.QueryRow(ctx, `SELECT jobs_affected FROM leadgenctl.breaker_transitions
		WHERE applied_at IS NOT NULL AND (epoch = $1 OR $1 = 0 AND state = $2 AND epoch > $3 AND source = $4) ORDER BY epoch LIMIT 1`,
		w.Epoch, string(w.State), w.After, breaker.SourcePython).Scan(&jobs)
	if err != nil || jobs == nil {
		return 0, false
	}
	return *jobs, true
}

// followed tells how many jobs were paused or resumed, where the message of the transition
// could not.
func (m *Monitor) followed(ctx context.Context) {
	m.mu.Lock()
	w := m.state.Waits
	m.mu.Unlock()
	if w == nil || m.o.Pool == nil {
		return
	}
	jobs, ok := m.affected(ctx, *w)
	if !ok {
		return
	}
	m.tell(notify.Message{Event: "jobs_" + w.verb(), Severity: notify.Info, Host: m.o.Host, At: time.Now().UTC(),
		Title:     fmt.Sprintf("%d jobs are %s", jobs, w.verb()),
		Text:      fmt.Sprintf("The jobs have followed the global circuit breaker, which is %s since %s", w.State, w.At.Format(time.RFC3339)),
		Details:   map[string]any{"state": w.State, "jobs": jobs, "since": w.At},
		Incidents: []notify.Incident{}}, // it belongs to that of the transition
		func(s *state) {
			if s.Waits == w { // else there was another transition meanwhile
				s.Waits = nil
			}
		})
}

package monitor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/notify"
)

// Bounds of what waits for a channel.
const (
	maxPending = 100                // messages; the oldest give way
	maxAge     = 3 * 24 * time.Hour // a message that fails after this is dropped
	maxRefused = 3                  // refusals in a row after which a channel is left alone for now
)

// pending is a message that a channel has not taken yet.
type pending struct {
	Channel   string            `json:"channel"`
	Message   notify.Message    `json:"message"`
	Incidents []notify.Incident `json:"incidents,omitzero"`
	Queued    time.Time         `json:"queued,omitzero"`
}

func (p pending) old() bool { return !p.Queued.IsZero() && time.Since(p.Queued) > maxAge }

// tell puts a message into the state for each channel, with what else changes there, so
// that a restart neither loses nor repeats it.
func (m *Monitor) tell(msg notify.Message, change func(*state)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.o.Channels {
		m.state.Pending = append(m.state.Pending, pending{c.Name(), msg, msg.Incidents, time.Now().UTC()})
	}
	change(&m.state)
	m.save()
}

func (m *Monitor) save() {
	if err := m.state.save(m.o.StateFile); err != nil {
		m.o.Warn(err)
	}
}

// flush sends what is pending, to all channels at once: one that hangs delays no other.
// What waits for a channel that is no longer configured is forgotten.
func (m *Monitor) flush(ctx context.Context) {
	m.sending.Lock()
	defer m.sending.Unlock()
	m.mu.Lock()
	all := m.state.Pending
	m.mu.Unlock()
	if len(all) == 0 {
		return
	}
	queues := map[string][]pending{}
	for _, p := range all {
		queues[p.Channel] = append(queues[p.Channel], p)
	}
	left := make([][]pending, len(m.o.Channels))
	var wg sync.WaitGroup
	for i, c := range m.o.Channels {
		wg.Go(func() { left[i] = m.bound(c.Name(), m.send(ctx, c, queues[c.Name()])) })
	}
	wg.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	came := m.state.Pending[len(all):] // meanwhile
	m.state.Pending = nil
	for _, l := range left {
		m.state.Pending = append(m.state.Pending, l...)
	}
	m.state.Pending = append(m.state.Pending, came...)
	m.save()
}

// send sends a channel's messages in order and returns those that are to be tried again.
// One that is refused for what it is does not keep the others from being sent.
func (m *Monitor) send(ctx context.Context, c notify.Channel, queue []pending) []pending {
	var refused []pending // by the channel: for what it holds, or whatever it is
	for i, p := range queue {
		p.Message.Incidents = p.Incidents
		err := c.Send(ctx, p.Message)
		var no *notify.RefusedError
		switch {
		case err == nil:
			m.count(c.Name(), "sent")
			for _, r := range refused { // it takes others
				m.drop(c.Name(), r, errors.New("it was refused, and a later message was not"))
			}
			refused = nil
		case errors.As(err, &no) && no.Final, p.old():
			m.drop(c.Name(), p, err)
		default:
			m.count(c.Name(), "failed")
			m.o.Warn(fmt.Errorf("tell %s: %w", c.Name(), err))
			if refused = append(refused, p); no == nil || len(refused) == maxRefused {
				return append(refused, queue[i+1:]...)
			}
		}
	}
	return refused
}

// bound drops the oldest messages of a channel that takes none for long.
func (m *Monitor) bound(channel string, queue []pending) []pending {
	for len(queue) > maxPending {
		m.drop(channel, queue[0], fmt.Errorf("more than %d messages wait", maxPending))
		queue = queue[1:]
	}
	return queue
}

func (m *Monitor) drop(channel string, p pending, why error) {
	m.count(channel, "dropped")
	m.o.Warn(fmt.Errorf("%s is not told %q: %w", channel, p.Message.Title, why))
}

func (m *Monitor) count(channel, result string) {
	m.metrics.notifications.WithLabelValues(channel, result).Inc()
}

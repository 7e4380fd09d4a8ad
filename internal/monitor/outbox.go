package monitor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/notify"
)

// Bounds of what waits for a channel.
const (
	maxPending = 100                // messages; the oldest give way
	maxAge     = 3 * 24 * time.Hour // a message that fails after this is dropped
	maxRefused = 3                  // refusals in a row after which a channel is left alone for now
)

// What becomes of a message.
const (
	sent    = "sent"
	failed  = "failed"
	dropped = "dropped"
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
	m.tellIf(func(s *state) (notify.Message, bool) {
		change(s)
		return msg, true
	})
}

// tellIf is tell where the state decides whether there is something to tell.
func (m *Monitor) tellIf(decide func(*state) (notify.Message, bool)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if msg, ok := decide(&m.state); ok {
		m.enqueue(msg)
		m.save()
	}
}

func (m *Monitor) enqueue(msg notify.Message) {
	for _, c := range m.o.Channels {
		m.state.Pending = append(m.state.Pending, pending{c.Name(), msg, msg.Incidents, time.Now().UTC()})
		select {
		case m.wake[c.Name()] <- struct{}{}:
		default: // it is awake already
		}
	}
}

func (m *Monitor) save() {
	if err := m.state.save(m.o.StateFile); err != nil {
		m.o.Warn(err)
	}
}

// deliver tells one channel, whenever there is something and from time to time, until ctx
// is done. Each channel has its own: one that hangs delays no other.
func (m *Monitor) deliver(ctx context.Context, c notify.Channel) {
	for {
		m.flush(ctx, c)
		select {
		case <-ctx.Done():
			return
		case <-m.wake[c.Name()]:
		case <-time.After(m.o.Interval):
		}
	}
}

// flush sends what is pending for a channel.
func (m *Monitor) flush(ctx context.Context, c notify.Channel) {
	var queue []pending
	m.mu.Lock()
	for _, p := range m.state.Pending {
		if p.Channel == c.Name() {
			queue = append(queue, p)
		}
	}
	m.mu.Unlock()
	if len(queue) == 0 {
		return
	}
	left := m.bound(c.Name(), m.send(ctx, c, queue))
	m.mu.Lock()
	defer m.mu.Unlock()
	taken := len(queue) // what came meanwhile stays behind what is left
	for _, p := range m.state.Pending {
		if p.Channel == c.Name() && taken > 0 {
			taken--
			continue
		}
		left = append(left, p)
	}
	m.state.Pending = left
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
			m.count(c.Name(), sent)
			for _, r := range refused { // it takes others
				m.drop(c.Name(), r, errors.New("it was refused, and a later message was not"))
			}
			refused = nil
		case errors.As(err, &no) && no.Final, p.old():
			m.drop(c.Name(), p, err)
		default:
			m.count(c.Name(), failed)
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
	m.count(channel, dropped)
	m.o.Warn(fmt.Errorf("%s is not told %q: %w", channel, p.Message.Title, why))
}

func (m *Monitor) count(channel, result string) {
	m.metrics.notifications.WithLabelValues(channel, result).Inc()
}

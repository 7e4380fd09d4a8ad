package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// RelayOptions say how the outbox is dispatched.
type RelayOptions struct {
	AssumeDead bool // as in ResumeOptions
}

// Relay publishes what is in the outbox. A broker that is away is ErrBrokerAway, and
// the outbox stays as it is. While the breaker is open nothing is published.
func (m *Manager) Relay(ctx context.Context, o RelayOptions) (Dispatched, error) {
	if m.pool == nil {
		return Dispatched{}, ErrNoDatabase
	}
	if m.settings.Broker == nil {
		return Dispatched{}, ErrNoBroker
	}
	pending, err := outboxPending(ctx, m.pool)
	if err != nil || pending == 0 {
		return Dispatched{}, databaseError("read the outbox", err)
	}
	if _, err := m.closedFor(ctx, "dispatch the outbox"); err != nil {
		return Dispatched{OutboxPending: pending}, err
	}
	if err := m.dueNow(ctx); err != nil {
		return Dispatched{OutboxPending: pending}, err
	}
	return m.relay(ctx, o.AssumeDead)
}

// closedFor makes Redis know what the log knows, and refuses what must not be done while
// the breaker is open. It returns the log's last entry.
func (m *Manager) closedFor(ctx context.Context, doing string) (entry, error) {
	last, err := m.latest(ctx)
	if err != nil {
		return last, err
	}
	t, err := m.adopt(ctx, last, false)
	if err == nil && t.State == breaker.Open {
		err = fmt.Errorf("%s: %w", doing, ErrBreakerOpen)
	}
	return last, err
}

// closedNow is closedFor for a look that changes nothing.
func (m *Manager) closedNow(ctx context.Context, doing string) (entry, error) {
	last, err := m.latest(ctx)
	if err != nil {
		return last, err
	}
	st, err := m.breaker.State(ctx)
	if err == nil && judged(last, st) == breaker.Open {
		err = fmt.Errorf("%s: %w", doing, ErrBreakerOpen)
	}
	return last, err
}

// dueNow takes up at once what was put off since it was not known where it is: somebody
// asks for it.
func (m *Manager) dueNow(ctx context.Context) error {
	if m.pool == nil {
		return ErrNoDatabase
	}
	_, err := m.pool.Exec(ctx, `UPDATE leadgenctl.outbox SET next_attempt_at = now() WHERE published_at IS NULL AND next_attempt_at > now() AND starts_with(last_error, $1)`,
		ErrUnknownHolder.Error())
	return databaseError("take up what was put off", err)
}

// relay dispatches until nothing is due soon, and says what is left.
func (m *Manager) relay(ctx context.Context, assumeDead bool) (Dispatched, error) {
	var total Dispatched
	doubt, err := m.relayAll(ctx, assumeDead, &total)
	pending, countErr := outboxPending(context.WithoutCancel(ctx), m.pool)
	total.OutboxPending = pending
	if err == nil && total.JobsUnknown > 0 {
		err = fmt.Errorf("%d jobs: %w: %s", total.JobsUnknown, ErrUnknownHolder, doubt)
	}
	return total, errors.Join(err, databaseError("read the outbox", countErr))
}

// relayAll returns also why it is not known where some tasks are.
func (m *Manager) relayAll(ctx context.Context, assumeDead bool, total *Dispatched) (doubt string, err error) {
	for {
		sv, err := m.survey(ctx, wantedOutboxSQL)
		if err != nil || len(sv.wanted.jobs) == 0 {
			return doubt, err
		}
		doubt = sv.fleet.Doubt
		m.settings.Step("queue.dispatch.surveyed")
		d, again, err := m.dispatchAll(ctx, sv, assumeDead)
		total.add(d)
		if err != nil {
			return doubt, err
		}
		if again {
			continue
		}
		soon, ok, err := m.nextAttempt(ctx)
		if err != nil || !ok {
			return doubt, err
		}
		select {
		case <-ctx.Done():
			return doubt, ctx.Err()
		case <-time.After(soon):
		}
	}
}

// nextAttempt is how long it is until a refused task is due again; what another relay
// works on is passed over.
func (m *Manager) nextAttempt(ctx context.Context) (time.Duration, bool, error) {
	var seconds float64
	err := m.pool.QueryRow(ctx, `SELECT extract(epoch FROM next_attempt_at - clock_timestamp())::float8
		FROM leadgenctl.outbox WHERE published_at IS NULL AND attempts > 0 AND next_attempt_at < clock_timestamp() + interval '20 s'
		ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED`).Scan(&seconds)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	return max(0, time.Duration(seconds*float64(time.Second))), true, databaseError("read the outbox", err)
}

package consistency

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/breaker"
)

const lastTransitionSQL = `SELECT epoch, state, at, applied_at IS NOT NULL FROM leadgenctl.breaker_transitions ORDER BY epoch DESC LIMIT 1`

// transition is the last one that PostgreSQL knows; epoch 0 for none.
type transition struct {
	epoch   int64
	state   breaker.State
	at      time.Time
	applied bool
}

// lastTransition returns false where our tables are not installed.
func (l *look) lastTransition(ctx context.Context) (transition, bool, error) {
	if there, err := l.installed("breaker_transitions"); err != nil || !there {
		return transition{}, false, err
	}
	t := transition{state: breaker.Closed, applied: true}
	err := l.row(ctx, lastTransitionSQL, nil, &t.epoch, &t.state, &t.at, &t.applied)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return t, err == nil, err
}

const notInstalled = "the schema leadgenctl is not installed in this database"

func stateLost(ctx context.Context, l *look, _ *Check) (outcome, error) {
	st, err := l.breakerOnce()
	if err != nil {
		return outcome{}, err
	}
	t, installed, err := l.lastTransition(ctx)
	switch {
	case err != nil:
		return outcome{}, err
	case st.Lost:
		return one(fmt.Sprintf("the key is gone; the breaker was opened at %s (epoch %d)", moment(st.OpenedAt), st.Epoch)), nil
	case !installed:
		return outcome{skip: notInstalled}, nil
	case t.epoch > st.Epoch:
		return one(fmt.Sprintf("PostgreSQL knows epoch %d (%s since %s); Redis knows epoch %d (%s)", t.epoch, t.state, moment(t.at), st.Epoch, st.State)), nil
	}
	return outcome{}, nil
}

func halfApplied(ctx context.Context, l *look, _ *Check) (outcome, error) {
	st, err := l.breakerOnce()
	if err != nil {
		return outcome{}, err
	}
	t, installed, err := l.lastTransition(ctx)
	switch {
	case err != nil:
		return outcome{}, err
	case !installed:
		return outcome{skip: notInstalled}, nil
	case st.Epoch > t.epoch:
		return one(fmt.Sprintf("Redis knows epoch %d (%s since %s); PostgreSQL knows epoch %d (%s)", st.Epoch, st.State, moment(st.At), t.epoch, t.state)), nil
	case !t.applied:
		if at, err := l.atWork(); err != nil || at.Ramp && t.state == breaker.Closed { // the paced resume marks it at its end
			return outcome{}, err
		}
		return one(fmt.Sprintf("epoch %d (%s since %s) is recorded, and the jobs have not followed it", t.epoch, t.state, moment(t.at))), nil
	}
	return outcome{}, nil
}

func unrecorded(_ context.Context, l *look, _ *Check) (outcome, error) {
	st, err := l.breakerOnce()
	if err != nil || !st.Pending {
		return outcome{}, err
	}
	return one(fmt.Sprintf("%s since %s: %s", st.State, moment(st.At), st.Reason)), nil
}

func openLong(_ context.Context, l *look, _ *Check) (outcome, error) {
	st, err := l.breakerOnce()
	if err != nil || st.State != breaker.Open || st.OpenedAt.IsZero() || time.Since(st.OpenedAt) <= l.options.MaxOpen {
		return outcome{}, err
	}
	return one(fmt.Sprintf("open since %s: %s (by %s)", moment(st.OpenedAt), st.Reason, st.Actor)), nil
}

package consistency

import (
	"context"
	"fmt"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/migrate/state"
	"github.com/leadgenctl/leadgenctl/queue"
)

// reconcile brings everything into step. What becomes of jobs and messages is in the log of
// transitions.
func reconcile(ctx context.Context, m *mending, _ []string) (int64, error) {
	if err := m.keepKey(ctx); err != nil {
		return 0, err
	}
	r, err := m.Manager.Reconcile(ctx)
	n := int64(len(r.Findings))
	m.Mended(n)
	return n, err
}

// reconcilePlan says what reconcile would do, whatever check it is asked for.
func reconcilePlan(ctx context.Context, m *queue.Manager) ([]string, error) {
	r, err := m.Plan(ctx)
	var lines []string
	for _, f := range r.Findings {
		lines = append(lines, f.Detail+": "+f.Action)
	}
	return lines, err
}

// persist removes the key's time to live. What another program wrote stays to be recorded.
func persist(ctx context.Context, m *mending, _ []string) (int64, error) {
	if err := m.keepKey(ctx); err != nil {
		return 0, err
	}
	removed, err := m.Redis.Persist(ctx, breaker.DefaultKey).Result()
	if err != nil || !removed {
		return 0, err
	}
	m.Mended(1)
	return 1, nil
}

// keepKey takes a snapshot of the breaker's key, its bytes and what is left of its life.
func (m *mending) keepKey(ctx context.Context) error {
	b, err := breaker.New(m.Redis, breaker.Settings{Actor: m.Actor})
	if err != nil {
		return err
	}
	keeper, err := state.New(state.Settings{Client: m.Redis, Breaker: b, Store: &state.PostgresStore{Pool: m.Pool}, Actor: m.Actor})
	if err != nil {
		return err
	}
	snapshot, err := keeper.SaveGlobal(ctx)
	if err != nil {
		return fmt.Errorf("keep the breaker's key as it is: %w", err)
	}
	return m.log.Log(ctx, snapshot, map[string]any{"key": breaker.DefaultKey})
}

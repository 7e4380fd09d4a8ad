package consistency

import (
	"context"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/migrate/state"
)

// reconcile takes a snapshot of the breaker's key, its bytes and what is left of its life,
// before it changes anything; what becomes of jobs and messages is in the log of transitions.
func reconcile(ctx context.Context, m *mending, _ []string) (int64, error) {
	b, err := breaker.New(m.Redis, breaker.Settings{Actor: m.Actor})
	if err != nil {
		return 0, err
	}
	keeper, err := state.New(state.Settings{Client: m.Redis, Breaker: b, Store: &state.PostgresStore{Pool: m.Pool}, Actor: m.Actor})
	if err != nil {
		return 0, err
	}
	snapshot, err := keeper.SaveGlobal(ctx)
	if err != nil {
		return 0, err
	}
	if err := m.log.Log(ctx, snapshot, map[string]any{"key": breaker.DefaultKey}); err != nil {
		return 0, err
	}
	r, err := m.Manager.Reconcile(ctx)
	n := int64(len(r.Findings))
	m.Mended(n)
	return n, err
}

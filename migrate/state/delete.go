package state

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed delete.lua
	deleteLua    string
	deleteScript = redis.NewScript(deleteLua)
)

// deleteOld deletes what is in the snapshot, if it still is what the snapshot
// holds, and returns the keys that are not: all in one call on one server, one
// call a key on Cluster.
func (m *Migrator) deleteOld(ctx context.Context, old []*OldKey) (kept []string, err error) {
	groups := [][]*OldKey{old}
	_, cluster := m.s.Client.(*redis.ClusterClient)
	if cluster {
		groups = nil
		for _, k := range old {
			groups = append(groups, []*OldKey{k})
		}
	}
	for _, group := range groups {
		if len(group) == 0 {
			continue
		}
		names, dumps := make([]string, len(group)), make([]any, len(group))
		for i, k := range group {
			names[i], dumps[i] = k.Name, k.Dump
		}
		some, err := deleteScript.Run(ctx, m.s.Client, names, dumps...).StringSlice()
		if err != nil {
			return kept, fmt.Errorf("delete the old keys that were carried: %w", err)
		}
		kept = append(kept, some...)
		if cluster {
			m.step(StepDeletedKey)
		}
	}
	return kept, nil
}

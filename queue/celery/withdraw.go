package celery

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/queue"
)

//go:embed lua/withdraw.lua
var withdrawLua string

var withdrawScript = redis.NewScript(withdrawLua)

// Queued implements queue.Inspector.
func (r *Redis) Queued(ctx context.Context, fn func([]queue.Held) error) error {
	var d decoder
	return r.eachQueued(ctx, func(_ string, _ int64, raws []string) ([]int, error) {
		chunk := make([]queue.Held, len(raws))
		for i, raw := range raws {
			m, _ := d.decode(raw)
			chunk[i] = m.held(queue.PlaceQueued)
		}
		return nil, fn(chunk)
	})
}

// Withdraw implements queue.Inspector. What is taken out is kept, byte for byte, in a
// list of its own under leadgenctl:withdrawn:….
func (r *Redis) Withdraw(ctx context.Context, reason string, choose func([]queue.Held) ([]bool, error)) (int64, error) {
	batch := uuid.NewString()
	var total int64
	var d decoder
	err := r.eachQueued(ctx, func(list string, first int64, raws []string) ([]int, error) {
		chunk := make([]queue.Held, len(raws))
		for i, raw := range raws {
			m, _ := d.decode(raw)
			chunk[i] = m.held(queue.PlaceQueued)
		}
		out, err := choose(chunk)
		if err != nil {
			return nil, err
		}
		var picked []int
		for i, take := range out {
			if take {
				picked = append(picked, i)
			}
		}
		gone, err := r.shelve(ctx, withdrawnShelf, batch, list, first, raws, picked)
		total += int64(len(gone))
		return gone, err
	})
	if err != nil {
		return total, fmt.Errorf("withdraw messages (%s): %w", reason, err)
	}
	return total, nil
}

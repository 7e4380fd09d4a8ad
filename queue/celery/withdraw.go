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
	return r.eachQueued(ctx, func(_ string, _ int64, raws []string) (int64, error) {
		chunk := make([]queue.Held, len(raws))
		for i, raw := range raws {
			m, _ := d.decode(raw)
			chunk[i] = m.held(queue.PlaceQueued)
		}
		return 0, fn(chunk)
	})
}

// Withdraw implements queue.Inspector. What is taken out is kept, byte for byte, in a
// list of its own under leadgenctl:withdrawn:….
func (r *Redis) Withdraw(ctx context.Context, reason string, choose func([]queue.Held) ([]bool, error)) (int64, error) {
	kept := r.key("leadgenctl:withdrawn:" + uuid.NewString())
	var total int64
	var d decoder
	err := r.eachQueued(ctx, func(list string, first int64, raws []string) (int64, error) {
		chunk := make([]queue.Held, len(raws))
		for i, raw := range raws {
			m, _ := d.decode(raw)
			chunk[i] = m.held(queue.PlaceQueued)
		}
		out, err := choose(chunk)
		if err != nil {
			return 0, err
		}
		args := []any{first, len(raws)}
		for i, take := range out {
			if take {
				args = append(args, raws[i])
			}
		}
		if len(args) == 2 {
			return 0, nil
		}
		gone, err := withdrawScript.Run(ctx, r.client, []string{list, kept, r.key("leadgenctl:withdrawn"), r.removals()}, args...).Slice()
		if err != nil {
			return 0, fmt.Errorf("withdraw messages from %s (%s): %w", list, reason, err)
		}
		total += int64(len(gone))
		return int64(len(gone)), nil
	})
	return total, err
}

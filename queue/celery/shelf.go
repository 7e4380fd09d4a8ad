package celery

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/queue"
)

var (
	//go:embed lua/restore.lua
	restoreLua string
	//go:embed lua/copies.lua
	copiesLua string

	restoreScript = redis.NewScript(restoreLua)
	copiesScript  = redis.NewScript(copiesLua)
)

// ErrBatchChanged says that somebody else restored a batch at the same time.
var ErrBatchChanged = errors.New("celery: the batch was changed by someone else")

// The shelves on which messages are kept that were taken out: the sets of their batches.
const (
	withdrawnShelf   = "leadgenctl:withdrawn"
	quarantinedShelf = "leadgenctl:quarantined"
)

// Kept is a message that was taken out of a queue.
type Kept struct {
	Found
	ReplacedBy string // the task that took its place; "" where none did
}

// Batch is what one call took out.
type Batch struct {
	ID          string
	Quarantined bool
	Messages    int64
}

// TakeOut takes the queued messages out for which choose returns true, keeps their bytes
// in a batch, and returns its id and how many they are. It reads the queues in chunks.
func (r *Redis) TakeOut(ctx context.Context, quarantine bool, choose func(Found) bool) (batch string, total int64, err error) {
	shelf := withdrawnShelf
	if quarantine {
		shelf = quarantinedShelf
	}
	batch = uuid.NewString()
	var d decoder
	err = r.eachQueued(ctx, func(list string, first int64, raws []string) ([]int, error) {
		var picked []int
		for i, raw := range raws {
			m, _ := d.decode(raw)
			if choose(Found{Held: m.held(queue.PlaceQueued), List: list, Index: first + int64(i), Defect: m.Defect, Poison: m.Poison, Raw: raw}) {
				picked = append(picked, i)
			}
		}
		gone, err := r.shelve(ctx, shelf, batch, list, first, raws, picked)
		total += int64(len(gone))
		return gone, err
	})
	return batch, total, err
}

// TakeCopies takes all messages out that are equal to a queued one, to the byte and on the
// same list, and leaves one, in one atomic step. What it takes goes into a batch.
func (r *Redis) TakeCopies(ctx context.Context, batch string, f Found) (int64, error) {
	n, err := copiesScript.Run(ctx, r.client, []string{f.List, r.key(withdrawnShelf + ":" + batch), r.key(withdrawnShelf), r.removals()}, f.Raw).Int64()
	if err != nil {
		return 0, fmt.Errorf("take copies out of %s: %w", f.List, err)
	}
	return n, nil
}

// shelve takes the picked ones of some messages out of a list, keeps them in a batch, and
// returns which of them were still there.
func (r *Redis) shelve(ctx context.Context, shelf, batch, list string, first int64, raws []string, picked []int) (gone []int, err error) {
	if len(picked) == 0 {
		return nil, nil
	}
	args := []any{first, len(raws)}
	for _, i := range picked {
		args = append(args, raws[i])
	}
	taken, err := withdrawScript.Run(ctx, r.client, []string{list, r.key(shelf + ":" + batch), r.key(shelf), r.removals()}, args...).Int64Slice()
	if err != nil {
		return nil, fmt.Errorf("take messages out of %s: %w", list, err)
	}
	for _, n := range taken { // counted from 1
		gone = append(gone, picked[n-1])
	}
	return gone, nil
}

// Batches returns what is kept, of both shelves.
func (r *Redis) Batches(ctx context.Context) ([]Batch, error) {
	var all []Batch
	for _, shelf := range []string{withdrawnShelf, quarantinedShelf} {
		keys, err := r.client.SMembers(ctx, r.key(shelf)).Result()
		if err != nil {
			return nil, fmt.Errorf("read which messages are kept: %w", err)
		}
		slices.Sort(keys)
		for _, k := range keys {
			n, err := r.client.LLen(ctx, k).Result()
			if err != nil {
				return nil, fmt.Errorf("count the messages kept in %s: %w", k, err)
			}
			all = append(all, Batch{strings.TrimPrefix(k, r.key(shelf+":")), shelf == quarantinedShelf, n})
		}
	}
	return all, nil
}

// Restore puts messages of a batch back on their queues, those for which choose returns
// true, in one atomic step and to the byte. It returns how many. choose sees all that
// are kept; one that a task has replaced has no list to go back to and is never restored
// where it was reserved.
func (r *Redis) Restore(ctx context.Context, b Batch, choose func([]Kept) ([]bool, error)) (int64, error) {
	shelf := withdrawnShelf
	if b.Quarantined {
		shelf = quarantinedShelf
	}
	kept := r.key(shelf + ":" + b.ID)
	raws, err := r.client.LRange(ctx, kept, 0, -1).Result()
	if err != nil {
		return 0, fmt.Errorf("read the kept messages: %w", err)
	}
	all := make([]Kept, len(raws))
	for i, raw := range raws {
		var e struct {
			List       string `json:"list"`
			Raw        string `json:"raw"`
			ReplacedBy string `json:"replaced_by"`
		}
		if err := json.Unmarshal([]byte(raw), &e); err != nil {
			return 0, fmt.Errorf("read a message kept in %s: %w", kept, err)
		}
		m, _ := decode(e.Raw)
		all[i] = Kept{Found{Held: m.held(queue.PlaceQueued), List: e.List, Defect: m.Defect, Poison: m.Poison, Raw: e.Raw}, e.ReplacedBy}
	}
	back, err := choose(all)
	if err != nil {
		return 0, err
	}
	keys, args := []string{kept, r.key(shelf)}, []any{len(raws)}
	for i, take := range back {
		if take && all[i].List != "" {
			args = append(args, i)
			if !slices.Contains(keys, all[i].List) {
				keys = append(keys, all[i].List)
			}
		}
	}
	if len(args) == 1 {
		return 0, nil
	}
	n, err := restoreScript.Run(ctx, r.client, keys, args...).Int64()
	if err != nil {
		return 0, fmt.Errorf("restore messages: %w", err)
	}
	if n < 0 {
		return 0, ErrBatchChanged
	}
	return n, nil
}

// PutBack implements queue.Inspector.
func (r *Redis) PutBack(ctx context.Context, choose func(taskID string) bool) (total int64, err error) {
	batches, err := r.Batches(ctx)
	if err != nil {
		return 0, err
	}
	for _, b := range batches {
		if b.Quarantined {
			continue
		}
		n, err := r.Restore(ctx, b, func(kept []Kept) ([]bool, error) {
			out := make([]bool, len(kept))
			for i, k := range kept {
				out[i] = k.ReplacedBy == "" && choose(k.TaskID)
			}
			return out, nil
		})
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

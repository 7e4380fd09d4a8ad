package celery

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// window remembers messages that were read while others were looked for: a resume
// exchanges them in about the order in which they lie on the list.
type window struct {
	mu    sync.Mutex
	byID  map[string][]oldJSON
	bytes int
}

// windowBytes bounds what a window remembers.
const windowBytes = 16 << 20

// take returns what it remembers of the tasks that are wanted, and how many messages of
// each are still to be found.
func (w *window) take(wanted map[string]int) (found map[string][]oldJSON, missing map[string]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	found, missing = map[string][]oldJSON{}, map[string]int{}
	for id, n := range wanted {
		if olds, ok := w.byID[id]; ok {
			found[id] = olds
			delete(w.byID, id)
			for _, o := range olds {
				w.bytes -= len(o.Raw)
			}
		}
		if n -= len(found[id]); n > 0 {
			missing[id] = n
		}
	}
	return found, missing
}

func (w *window) put(id string, o oldJSON) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byID == nil || w.bytes > windowBytes {
		w.byID, w.bytes = map[string][]oldJSON{}, 0
	}
	w.byID[id] = append(w.byID[id], o)
	w.bytes += len(o.Raw)
}

// locate finds the messages of tasks on the queues and among the reserved ones, as many
// as are wanted of each. It reads the lists from the tail, where the oldest are, and
// stops when all are found.
func (r *Redis) locate(ctx context.Context, wanted map[string]int) (map[string][]oldJSON, error) {
	found, missing := r.window.take(wanted)
	if len(missing) == 0 {
		return found, nil
	}
	hit := func(id string, old oldJSON) {
		if slices.Contains(found[id], old) {
			return // the same message again: the list has moved
		}
		found[id] = append(found[id], old)
		if missing[id]--; missing[id] == 0 {
			delete(missing, id)
		}
	}
	var d decoder
	for _, l := range r.lists() {
		for end := int64(-1); len(missing) > 0; end -= readAtOnce {
			raws, err := r.client.LRange(ctx, l, end-readAtOnce+1, end).Result()
			if err != nil {
				return nil, fmt.Errorf("read the list %s: %w", l, err)
			}
			for _, raw := range raws {
				m, _ := d.decode(raw)
				if old := (oldJSON{List: l, Raw: raw}); missing[m.TaskID] > 0 {
					hit(m.TaskID, old)
				} else if m.TaskID != "" && found[m.TaskID] == nil {
					r.window.put(m.TaskID, old)
				}
			}
			if len(raws) < readAtOnce {
				break
			}
		}
	}
	if len(missing) == 0 {
		return found, nil
	}
	err := r.eachReserved(ctx, func(tag, raw string) error {
		if m, _ := decode(raw); missing[m.TaskID] > 0 {
			hit(m.TaskID, oldJSON{Tag: tag})
		}
		return nil
	})
	return found, err
}

package celery

import (
	"context"
	"fmt"
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

func (w *window) take(ids []string) (found map[string][]oldJSON, missing map[string]bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	found, missing = map[string][]oldJSON{}, map[string]bool{}
	for _, id := range ids {
		if olds, ok := w.byID[id]; ok {
			found[id] = olds
			delete(w.byID, id)
			for _, o := range olds {
				w.bytes -= len(o.Raw)
			}
			continue
		}
		missing[id] = true
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

// locate finds the messages of the given tasks on the queues and among the reserved
// ones, all of them where a task has several. It reads the lists from the tail, where
// the oldest are, and stops when all are found.
func (r *Redis) locate(ctx context.Context, ids []string) (map[string][]oldJSON, error) {
	found, missing := r.window.take(ids)
	if len(missing) == 0 {
		return found, nil
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
				old := oldJSON{List: l, Raw: raw}
				if missing[m.TaskID] {
					found[m.TaskID] = append(found[m.TaskID], old)
				} else if m.TaskID != "" && found[m.TaskID] == nil {
					r.window.put(m.TaskID, old)
				}
			}
			for id := range found {
				delete(missing, id)
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
		if m, _ := decode(raw); missing[m.TaskID] {
			found[m.TaskID] = append(found[m.TaskID], oldJSON{Tag: tag})
		}
		return nil
	})
	return found, err
}

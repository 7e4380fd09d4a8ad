package celery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/leadgenctl/leadgenctl/queue"
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

// take returns what it remembers of the queued messages that are wanted, and how many of
// each are still to be found.
func (w *window) take(wanted map[queue.Message]int) (found map[queue.Message][]oldJSON, missing map[queue.Message]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	found, missing = map[queue.Message][]oldJSON{}, map[queue.Message]int{}
	for m, n := range wanted {
		if olds, ok := w.byID[m.TaskID]; ok && !m.Abandoned {
			found[m] = olds
			delete(w.byID, m.TaskID)
			for _, o := range olds {
				w.bytes -= len(o.Raw)
			}
		}
		if n -= len(found[m]); n > 0 {
			missing[m] = n
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

// locate finds messages, as many as are wanted of each: queued ones on the lists, which it
// reads from the tail, where the oldest are, and abandoned ones among the reserved. One
// that was queued and is reserved by now is with a worker that lives, and not found.
func (r *Redis) locate(ctx context.Context, wanted map[queue.Message]int) (map[queue.Message][]oldJSON, error) {
	found, missing := r.window.take(wanted)
	hit := func(m queue.Message, old oldJSON) {
		if slices.Contains(found[m], old) {
			return // the same message again: the list has moved
		}
		found[m] = append(found[m], old)
		if missing[m]--; missing[m] == 0 {
			delete(missing, m)
		}
	}
	if err := r.locateAbandoned(ctx, missing, hit); err != nil {
		return nil, err
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
				key := queue.Message{TaskID: m.TaskID}
				if old := (oldJSON{List: l, Raw: raw}); missing[key] > 0 {
					hit(key, old)
				} else if m.TaskID != "" && found[key] == nil {
					r.window.put(m.TaskID, old)
				}
			}
			if len(raws) < readAtOnce {
				break
			}
		}
	}
	return found, nil
}

// locateAbandoned calls hit for abandoned messages that are still reserved, and takes
// those that are not off the missing ones: they have moved on.
func (r *Redis) locateAbandoned(ctx context.Context, missing map[queue.Message]int, hit func(queue.Message, oldJSON)) error {
	abandoned := func(m queue.Message) bool { return m.Abandoned }
	if !slices.ContainsFunc(slices.Collect(maps.Keys(missing)), abandoned) {
		return nil
	}
	err := r.eachReserved(ctx, func(tag, raw string) error {
		m, _ := decode(raw)
		if key := (queue.Message{TaskID: m.TaskID, Abandoned: true}); missing[key] > 0 {
			hit(key, oldJSON{Tag: tag})
		}
		return nil
	})
	maps.DeleteFunc(missing, func(m queue.Message, _ int) bool { return abandoned(m) })
	return err
}

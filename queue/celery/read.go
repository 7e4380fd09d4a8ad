package celery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/queue"
)

// eachReserved calls fn with every message that a worker has fetched and not acknowledged.
func (r *Redis) eachReserved(ctx context.Context, fn func(tag, raw string) error) error {
	for cursor := uint64(0); ; {
		fields, next, err := r.client.HScan(ctx, r.key(r.options.Unacked), cursor, "", readAtOnce).Result()
		if err != nil {
			return fmt.Errorf("read the reserved messages: %w", err)
		}
		for i := 0; i+1 < len(fields); i += 2 {
			var parts []json.RawMessage
			if json.Unmarshal([]byte(fields[i+1]), &parts) != nil || len(parts) == 0 {
				continue
			}
			if err := fn(fields[i], string(parts[0])); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// removals counts what was taken out of the middle of lists, by any process of ours.
func (r *Redis) removals() string { return r.key("leadgenctl:removals") }

// walks is how often a walk of the lists begins anew since others take messages out.
const walks = 20

// eachQueuedWhole is eachQueued that begins anew where messages were taken out of a
// list meanwhile: those behind them have moved up, and some would be missed.
// It calls begin before each walk.
func (r *Redis) eachQueuedWhole(ctx context.Context, begin func(), fn func(list string, raws []string) error) error {
	for range walks {
		begin()
		before, err := r.client.Get(ctx, r.removals()).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return fmt.Errorf("read the count of removals: %w", err)
		}
		err = r.eachQueued(ctx, func(list string, _ int64, raws []string) ([]int, error) { return nil, fn(list, raws) })
		if err != nil {
			return err
		}
		after, err := r.client.Get(ctx, r.removals()).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return fmt.Errorf("read the count of removals: %w", err)
		}
		if before == after {
			return nil
		}
	}
	return errors.New("read the queues: others take messages out all the time")
}

// copyOf tells a message from the others of its task: a walk may meet one twice, since
// new ones come in before it.
func copyOf(seed maphash.Seed, list, raw string) uint32 {
	var h maphash.Hash
	h.SetSeed(seed)
	_, _ = h.WriteString(list)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(raw)
	return max(1, uint32(h.Sum64()))
}

// Each implements queue.Inspector.
func (r *Redis) Each(ctx context.Context, fn func([]queue.Held) error) (queue.Fleet, error) {
	var d decoder
	seed := maphash.MakeSeed()
	var seen *order
	err := r.eachQueuedWhole(ctx, func() { seen = newOrder() }, func(list string, raws []string) error {
		chunk := make([]queue.Held, 0, len(raws))
		for _, raw := range raws {
			m, _ := d.decode(raw)
			seen.add(list, m.TaskID)
			if m.TaskID != "" || m.JobID != 0 {
				h := m.held(queue.PlaceQueued)
				h.Copy = copyOf(seed, list, raw)
				chunk = append(chunk, h)
			}
		}
		return fn(chunk)
	})
	if err != nil {
		return queue.Fleet{}, err
	}
	seen.finish()
	r.order.Store(seen)
	reserved := map[string]reservation{}
	// Twice: a message on its way from the list to a worker is in neither at first, and
	// has begun or is reserved when its worker answers again.
	var workers Answers
	for round := range 2 {
		if round > 0 && workers.Listening > 0 {
			if err := turn(ctx, workers.Took); err != nil {
				return queue.Fleet{}, err
			}
		}
		if err := r.reserved(ctx, reserved); err != nil {
			return queue.Fleet{}, err
		}
		answers, err := r.Ask(ctx)
		if err != nil {
			return queue.Fleet{}, err
		}
		for _, h := range answers.held() {
			reserved[h.TaskID] = reservation{held: h, claimed: true}
		}
		workers = answers
	}
	fleet := workers.fleet()
	if fleet.Doubt == "" {
		var err error
		if fleet.Doubt, err = r.restarted(ctx); err != nil {
			return queue.Fleet{}, err
		}
	}
	return fleet, r.tell(ctx, reserved, fleet.Silent == 0, fn)
}

// turn waits until workers have gone once through what they had received when they
// answered. Kombu reads questions for as long as there are any before it looks at the
// message that it has taken off a list (transport/redis.py, Channel._receive), so that a
// second question at once would be answered like the first. took is how long they took:
// workers that get little of the machine get more time.
func turn(ctx context.Context, took time.Duration) error {
	select {
	case <-time.After(max(100*time.Millisecond, 4*took)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reservation is a task that a worker has, or had.
type reservation struct {
	held    queue.Held
	tag     string
	claimed bool // a worker says that it has it
}

func (r *Redis) reserved(ctx context.Context, into map[string]reservation) error {
	return r.eachReserved(ctx, func(tag, raw string) error {
		m, _ := decode(raw)
		if _, known := into[m.TaskID]; !known && m.TaskID != "" {
			into[m.TaskID] = reservation{held: m.held(queue.PlaceReserved), tag: tag}
		}
		return nil
	})
}

// tell passes on what is with workers. What is reserved and nobody answers for belonged
// to a worker that is dead, where all that listen have answered.
func (r *Redis) tell(ctx context.Context, reserved map[string]reservation, all bool, fn func([]queue.Held) error) error {
	held := make([]queue.Held, 0, len(reserved))
	for _, v := range reserved {
		if !v.claimed && all {
			still, err := r.client.HExists(ctx, r.key(r.options.Unacked), v.tag).Result()
			if err != nil {
				return fmt.Errorf("read the reserved messages: %w", err)
			}
			if still {
				v.held.Place = queue.PlaceAbandoned
			}
		}
		held = append(held, v.held)
	}
	return fn(held)
}

// Workers implements queue.Inspector.
func (r *Redis) Workers(ctx context.Context) (queue.Fleet, error) {
	w, err := r.ask(ctx, methodRegistered)
	if err != nil {
		return queue.Fleet{}, err
	}
	return w.fleet(), nil
}

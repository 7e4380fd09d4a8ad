package celery

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/queue"
)

var (
	//go:embed lua/publish.lua
	publishLua string
	//go:embed lua/exchange.lua
	exchangeLua string

	publishScript  = redis.NewScript(publishLua)
	exchangeScript = redis.NewScript(exchangeLua)
)

// sendAtOnce is how many messages one script call takes: Lua's stack bounds it, and
// so does the time that other clients wait.
const sendAtOnce = 500

// room is where the messages of one call are written, one after the other: it is used
// again, since a resume writes a million of them.
type room struct{ messages, scratch []byte }

var rooms = sync.Pool{New: func() any { return new(room) }}

// encode writes the messages, and says which tasks can be none.
func (r *room) encode(e encoder, tasks []queue.Task, raws [][]byte, out []queue.Delivery) {
	r.messages = r.messages[:0]
	ends := make([]int, len(tasks))
	for i, t := range tasks {
		var err error
		if r.messages, err = e.redis(r.messages, &r.scratch, t); err != nil {
			out[i] = queue.Delivery{Outcome: queue.Unfit, Err: err}
		}
		ends[i] = len(r.messages)
	}
	from := 0
	for i, end := range ends {
		raws[i], from = r.messages[from:end:end], end
	}
}

// Publish implements queue.Publisher. Plain messages go by list, one script call for
// each list and every 500 messages, and the calls go in one round trip. Exchanges
// follow.
func (r *Redis) Publish(ctx context.Context, batch string, tasks []queue.Task) ([]queue.Delivery, error) {
	out := make([]queue.Delivery, len(tasks))
	raws := make([][]byte, len(tasks))
	room := rooms.Get().(*room)
	defer rooms.Put(room)
	room.encode(r.encoder, tasks, raws, out)
	plain := map[string][]int{}
	var order []string
	var exchanges []int
	for i, t := range tasks {
		if out[i].Outcome == queue.Unfit {
			continue
		}
		if len(t.Replaces) > 0 {
			exchanges = append(exchanges, i)
			continue
		}
		l := r.list(r.encoder.queueOf(t), t.Priority)
		if plain[l] == nil {
			order = append(order, l)
		}
		plain[l] = append(plain[l], i)
	}
	if err := r.send(ctx, batch, order, plain, raws, out); err != nil {
		return nil, err
	}
	if err := r.exchange(ctx, batch, tasks, exchanges, raws, out); err != nil {
		return nil, err
	}
	return out, nil
}

func (r *Redis) remembered(batch string) string { return r.key("leadgenctl:batch:" + batch) }

func (r *Redis) retracted(batch string) string { return r.remembered(batch) + ":retracted" }

// Idempotent implements queue.Publisher: a batch is remembered.
func (r *Redis) Idempotent() bool { return true }

// Retract implements queue.Publisher: both scripts look at the mark first.
func (r *Redis) Retract(ctx context.Context, batches []string) error {
	_, err := r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, b := range batches {
			p.Set(ctx, r.retracted(b), 1, r.options.Remember)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("retract batches on Redis: %w", err)
	}
	return nil
}

// refusal gives the answer of a script about a retracted batch its error.
func refusal(err error) error {
	if redis.HasErrorPrefix(err, "RETRACTED") {
		return queue.ErrRetracted
	}
	return err
}

func (r *Redis) send(ctx context.Context, batch string, order []string, plain map[string][]int, raws [][]byte, out []queue.Delivery) error {
	type part struct {
		tasks []int
		keys  []string
		args  []any
		cmd   *redis.Cmd
	}
	var parts []*part
	for _, l := range order {
		for n, rest := 0, plain[l]; len(rest) > 0; n++ {
			head := rest[:min(sendAtOnce, len(rest))]
			rest = rest[len(head):]
			p := &part{tasks: head, keys: []string{fmt.Sprintf("%s:%s:%d", r.remembered(batch), l, n), l, r.retracted(batch)}, args: []any{int(r.options.Remember.Seconds())}}
			for _, i := range head {
				p.args = append(p.args, raws[i])
			}
			parts = append(parts, p)
		}
	}
	if len(parts) == 0 {
		return nil
	}
	run := func() error {
		_, err := r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, part := range parts {
				part.cmd = publishScript.EvalSha(ctx, p, part.keys, part.args...)
			}
			return nil
		})
		return err
	}
	err := run()
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		if err = publishScript.Load(ctx, r.client).Err(); err == nil {
			err = run()
		}
	}
	if err != nil {
		return fmt.Errorf("publish to Redis: %w", refusal(err))
	}
	for _, p := range parts {
		n, err := p.cmd.Int()
		if err != nil {
			return fmt.Errorf("publish to Redis: %w", err)
		}
		for _, i := range p.tasks {
			if n == 0 {
				out[i].Outcome = queue.Duplicate
			}
		}
	}
	return nil
}

type exchangeJSON struct {
	ID   string    `json:"id"`
	List string    `json:"list"`
	Raw  string    `json:"raw"`
	Olds []oldJSON `json:"olds"`
}

type oldJSON struct {
	List string `json:"list,omitempty"`
	Raw  string `json:"raw,omitempty"`
	Tag  string `json:"tag,omitempty"`
	At   int    `json:"at,omitempty"` // where it was on the list, from the tail: -1 is the last
}

func (r *Redis) exchange(ctx context.Context, batch string, tasks []queue.Task, which []int, raws [][]byte, out []queue.Delivery) error {
	if len(which) == 0 {
		return nil
	}
	wanted := map[queue.Message]int{} // how many of each
	for _, i := range which {
		for _, m := range tasks[i].Replaces {
			wanted[m]++
		}
	}
	// One at a time, so that messages stay where they were found.
	r.exchanging.Lock()
	defer r.exchanging.Unlock()
	found, err := r.locate(ctx, wanted)
	if err != nil {
		return err
	}
	list := make([]exchangeJSON, len(which))
	for n, i := range which {
		e := exchangeJSON{ID: tasks[i].ID, List: r.list(r.encoder.queueOf(tasks[i]), tasks[i].Priority), Raw: string(raws[i]), Olds: []oldJSON{}}
		for n, m := range tasks[i].Replaces {
			if slices.Contains(tasks[i].Replaces[:n], m) {
				continue
			}
			if len(found[m]) < wanted[m] {
				e.Olds = []oldJSON{} // one has moved on: missed
				break
			}
			e.Olds = append(e.Olds, found[m]...)
		}
		list[n] = e
	}
	data, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("exchange messages: %w", err)
	}
	keys := []string{r.remembered(batch), r.key("leadgenctl:withdrawn:" + batch), r.key("leadgenctl:withdrawn"), r.key(r.options.Unacked), r.key(r.options.UnackedIndex), r.removals(), r.retracted(batch)}
	answer, err := exchangeScript.Run(ctx, r.client, keys, int(r.options.Remember.Seconds()), data).StringSlice()
	if err != nil {
		return fmt.Errorf("exchange messages on Redis: %w", refusal(err))
	}
	for n, i := range which {
		switch answer[n] {
		case "replaced":
			out[i].Outcome = queue.Replaced
		case "duplicate":
			out[i].Outcome = queue.Duplicate
		default:
			out[i].Outcome = queue.Missed
		}
	}
	return nil
}

package celery

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/queue"
)

// Found is a message as it lies in the broker, whole or not.
type Found struct {
	queue.Held
	List   string // the list, or "unacked"
	Index  int64  // in the list, counted from the head; or 0
	Tag    string // the delivery tag, of a reserved message
	Defect string // what is wrong with it; "" for a message that a worker can read
	Poison bool   // the defect crashes the worker that takes it
	Raw    string // its bytes
	NoJob  string // a job_id among its arguments that no job can have; "" for none
}

// Clone returns a copy that may be kept.
func (f Found) Clone() Found {
	for _, s := range []*string{&f.TaskID, &f.Name, &f.Tag, &f.Defect, &f.Raw, &f.NoJob} {
		*s = strings.Clone(*s)
	}
	return f
}

// EachMessage calls fn with every message on the queues and every reserved one, in
// chunks of at most a thousand, also with those that no worker could read. It asks no
// worker: rights to read are enough. What fn is given, texts too, is good until it
// returns: fn keeps a Clone.
func (r *Redis) EachMessage(ctx context.Context, fn func([]Found) error) error {
	var (
		d     decoder
		l     = lister{client: r.client}
		chunk []Found
	)
	err := r.eachRead(ctx, l.read, func(list string, first int64, raws []string) ([]int, error) {
		chunk = chunk[:0]
		for i, raw := range raws {
			m, _ := d.decode(raw) // Defect says what is wrong
			chunk = append(chunk, Found{Held: m.held(queue.PlaceQueued), List: list, Index: first + int64(i), Defect: m.Defect, Poison: m.Poison, Raw: raw, NoJob: m.NoJob})
		}
		return nil, fn(chunk)
	})
	if err != nil {
		return err
	}
	return r.eachReserved(ctx, func(tag, raw string) error {
		m, _ := decode(raw)
		return fn([]Found{{Held: m.held(queue.PlaceReserved), List: r.key(r.options.Unacked), Tag: tag, Defect: m.Defect, Poison: m.Poison, Raw: raw, NoJob: m.NoJob}})
	})
}

// ReservedBefore returns the messages that a worker fetched before a moment and has
// neither acknowledged nor given back, at most limit of them, and how many there are.
func (r *Redis) ReservedBefore(ctx context.Context, before time.Time, limit int64) (found []Found, total int64, err error) {
	index := r.key(r.options.UnackedIndex)
	last := strconv.FormatFloat(float64(before.UnixMilli())/1000, 'f', 3, 64)
	var (
		count *redis.IntCmd
		tags  *redis.StringSliceCmd
	)
	_, err = r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		count = p.ZCount(ctx, index, "-inf", last)
		tags = p.ZRangeArgs(ctx, redis.ZRangeArgs{Key: index, Start: "-inf", Stop: last, ByScore: true, Count: limit})
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read when messages were reserved: %w", err)
	}
	for _, tag := range tags.Val() {
		found = append(found, Found{List: r.key(r.options.Unacked), Tag: tag})
	}
	return found, count.Val(), nil
}

// ReplyQueue is a list that answers of workers go to.
type ReplyQueue struct {
	List   string
	Length int64
}

// ReplyQueues returns the reply queues that hold answers and do not expire. One that
// is still there a second later belongs to a client that is gone.
func (r *Redis) ReplyQueues(ctx context.Context) ([]ReplyQueue, error) {
	members, err := r.client.SMembers(ctx, r.key("_kombu.binding.reply.celery.pidbox")).Result()
	if err != nil || len(members) == 0 {
		return nil, err
	}
	var found []ReplyQueue
	lengths, lives := make([]*redis.IntCmd, len(members)), make([]*redis.DurationCmd, len(members))
	_, err = r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, m := range members {
			if strings.Contains(m, r.options.Separator) {
				lengths[i], lives[i] = p.LLen(ctx, r.replyList(m)), p.TTL(ctx, r.replyList(m))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the reply queues: %w", err)
	}
	for i, m := range members {
		if lengths[i] != nil && lengths[i].Val() > 0 && lives[i].Val() < 0 {
			found = append(found, ReplyQueue{r.replyList(m), lengths[i].Val()})
		}
	}
	return found, nil
}

// Waiting is a queue that has messages.
type Waiting struct {
	Queue    string
	Messages int64
	Next     string // the message that a worker takes next of each of its lists
}

// Waiting returns the queues that have messages.
func (r *Redis) Waiting(ctx context.Context) ([]Waiting, error) {
	type list struct {
		length *redis.IntCmd
		next   *redis.StringCmd
	}
	queues := make([][]list, len(r.options.Queues))
	// The pipeline's own error may be that a list is empty: the lengths are looked at one by one.
	_, _ = r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, q := range r.options.Queues {
			for _, step := range r.options.PrioritySteps {
				name := r.list(q, step)
				queues[i] = append(queues[i], list{p.LLen(ctx, name), p.LIndex(ctx, name, -1)})
			}
		}
		return nil
	})
	var found []Waiting
	for i, q := range r.options.Queues {
		w := Waiting{Queue: q}
		for _, l := range queues[i] {
			if err := l.length.Err(); err != nil {
				return nil, fmt.Errorf("count the messages of %s: %w", q, err)
			}
			w.Messages += l.length.Val()
			w.Next += l.next.Val()
		}
		if w.Messages > 0 {
			found = append(found, w)
		}
	}
	return found, nil
}

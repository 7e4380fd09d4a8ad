package celery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/queue"
)

// Separator stands between a queue's name and a priority step in the name of a list,
// and between the parts of a binding, unless it is configured.
const Separator = "\x06\x16"

// Options of a broker. The zero value of each field is usable.
type Options struct {
	// DefaultQueue is where tasks without a queue go. DefaultQueue ("celery") when empty.
	DefaultQueue string

	// Queues are further queues that are looked into.
	Queues []string

	// DB is the number of the Redis database: it is part of the workers' channel.
	DB int

	// The workers' broker_transport_options that name keys on Redis: kombu's
	// global_keyprefix, sep, priority_steps, unacked_key and unacked_index_key
	// (kombu/transport/redis.py), with kombu's defaults.
	Prefix        string
	Separator     string
	PrioritySteps []int // ascending, from 0
	Unacked       string
	UnackedIndex  string

	// AnswerTimeout is how long a worker that listens may take to answer. 1 s when zero.
	AnswerTimeout time.Duration

	// WorkersReturn is how long workers may take to come back to a Redis that has started:
	// until then nobody who listens does not mean that nobody is alive. Kombu waits up to
	// 30 s between two tries (Connection.ensure_connection). Zero for no time.
	WorkersReturn time.Duration

	// Remember is how long a published batch is known to the broker, so that it is not
	// published again. 7 days when zero.
	Remember time.Duration
}

func (o Options) withDefaults() Options {
	if o.DefaultQueue == "" {
		o.DefaultQueue = DefaultQueue
	}
	if !slices.Contains(o.Queues, o.DefaultQueue) {
		o.Queues = append([]string{o.DefaultQueue}, o.Queues...)
	}
	o.Separator = cmp.Or(o.Separator, Separator)
	if o.PrioritySteps == nil {
		o.PrioritySteps = []int{0, 3, 6, 9}
	}
	o.Unacked = cmp.Or(o.Unacked, "unacked")
	o.UnackedIndex = cmp.Or(o.UnackedIndex, "unacked_index")
	if o.AnswerTimeout == 0 {
		o.AnswerTimeout = time.Second
	}
	if o.Remember == 0 {
		o.Remember = 7 * 24 * time.Hour
	}
	return o
}

// Redis is a broker on Redis. Safe for concurrent use.
type Redis struct {
	client  redis.UniversalClient
	options Options
	encoder encoder
	order   atomic.Pointer[order] // as the last look found the lists

	exchanging sync.Mutex
}

var _ queue.Broker = (*Redis)(nil)

// NewRedis returns the broker on client.
func NewRedis(client redis.UniversalClient, o Options) (*Redis, error) {
	if client == nil {
		return nil, errors.New("celery: a Redis client is required")
	}
	o = o.withDefaults()
	return &Redis{client: client, options: o, encoder: newEncoder(o.DefaultQueue)}, nil
}

// list is the name of the list of a queue and a priority.
func (r *Redis) list(name string, priority int) string {
	step := 0
	for _, s := range r.options.PrioritySteps {
		if s <= priority {
			step = s
		}
	}
	if step == 0 {
		return r.options.Prefix + name
	}
	return fmt.Sprintf("%s%s%s%d", r.options.Prefix, name, r.options.Separator, step)
}

// lists are all lists that are looked into, in the order in which workers read them.
func (r *Redis) lists() []string {
	var all []string
	for _, q := range r.options.Queues {
		for _, s := range r.options.PrioritySteps {
			all = append(all, r.list(q, s))
		}
	}
	return all
}

func (r *Redis) key(name string) string { return r.options.Prefix + name }

// Listening says whether a worker hears questions. Workers subscribe to a pattern
// (kombu's fanout_patterns), of which Redis tells only that there are any. It needs no
// right to publish, unlike Workers.
func (r *Redis) Listening(ctx context.Context) (bool, error) {
	channel := r.pidbox()
	var direct *redis.MapStringIntCmd
	var patterns *redis.IntCmd
	_, err := r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		direct, patterns = p.PubSubNumSub(ctx, channel), p.PubSubNumPat(ctx)
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("count who listens: %w", err)
	}
	return direct.Val()[channel] > 0 || patterns.Val() > 0, nil
}

// pidbox is the channel of the workers' remote control.
func (r *Redis) pidbox() string {
	return fmt.Sprintf("%s/%d.celery.pidbox", r.options.Prefix, r.options.DB)
}

// Depth counts the messages on the queues and those that are reserved.
func (r *Redis) Depth(ctx context.Context) (queued, reserved int64, err error) {
	var lengths []*redis.IntCmd
	var held *redis.IntCmd
	_, err = r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, l := range r.lists() {
			lengths = append(lengths, p.LLen(ctx, l))
		}
		held = p.HLen(ctx, r.key(r.options.Unacked))
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("count the messages: %w", err)
	}
	for _, l := range lengths {
		queued += l.Val()
	}
	return queued, held.Val(), nil
}

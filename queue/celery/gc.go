package celery

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// deadAnswers is how long the answers to a dead client are still there after Collect.
const deadAnswers = time.Hour

// replyBinding is where clients that wait for workers' answers are written down.
const replyBinding = "_kombu.binding.reply.celery.pidbox"

// Replies returns the bindings of reply queues, each with the length of its list.
func (r *Redis) Replies(ctx context.Context) (map[string]int64, error) {
	members, err := r.client.SMembers(ctx, r.key(replyBinding)).Result()
	if err != nil {
		return nil, fmt.Errorf("read the bindings of reply queues: %w", err)
	}
	lengths := make([]*redis.IntCmd, len(members))
	_, err = r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, m := range members {
			lengths[i] = p.LLen(ctx, r.replyList(m))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count the answers: %w", err)
	}
	found := map[string]int64{}
	for i, m := range members {
		found[m] = lengths[i].Val()
	}
	return found, nil
}

func (r *Redis) replyList(member string) string {
	if at := strings.LastIndex(member, r.options.Separator); at >= 0 {
		member = member[at+len(r.options.Separator):]
	}
	return r.key(member)
}

// DeadReplies returns the bindings that were there in an earlier look, and whose lists
// nobody has read or filled since, in order.
func (r *Redis) DeadReplies(ctx context.Context, before map[string]int64) ([]string, error) {
	now, err := r.Replies(ctx)
	if err != nil {
		return nil, err
	}
	var dead []string
	for m, n := range now {
		if was, ok := before[m]; ok && was == n && strings.Contains(m, r.options.Separator) {
			dead = append(dead, m)
		}
	}
	slices.Sort(dead)
	return dead, nil
}

// Collect removes the bindings and lets their lists expire within the hour. A client
// that lives after all binds its queue again with its next question.
func (r *Redis) Collect(ctx context.Context, dead []string) error {
	_, err := r.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		for _, m := range dead {
			p.SRem(ctx, r.key(replyBinding), m)
			p.Expire(ctx, r.replyList(m), deadAnswers)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove dead reply queues: %w", err)
	}
	return nil
}

package celery_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

// meddled is the real broker, where something happens before each publication.
type meddled struct {
	*celery.Redis
	before func() error
}

func (m *meddled) Publish(ctx context.Context, batch string, tasks []queue.Task) ([]queue.Delivery, error) {
	if err := m.before(); err != nil {
		return nil, err
	}
	return m.Redis.Publish(ctx, batch, tasks)
}

// fillOutbox opens and closes, and leaves the tasks in the outbox: the broker is away.
func (p *platform) fillOutbox(t *testing.T) {
	t.Helper()
	p.open(t)
	away := p.with(t, queue.Settings{MaxAttempts: 1, Broker: &meddled{p.broker, func() error { return errors.New("away") }}})
	if r, err := away.Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{}); !errors.Is(err, queue.ErrBrokerAway) {
		t.Fatalf("%+v, %v", r, err)
	}
	// What a dead relay had sealed would be published as it is.
	p.exec(t, "UPDATE leadgenctl.outbox SET sealed_at = NULL, replaces = NULL")
}

// once calls fn at the first of the named steps.
func once(name string, fn func()) func(string) {
	return func(step string) {
		if step == name && fn != nil {
			do := fn
			fn = nil
			do()
		}
	}
}

// Jobs that are resumed after a relay looked where their messages are: it looks again.
func TestARelayPublishesNothingThatItDidNotLookFor(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.pending(t, 1)
	p.queueOld(t, "true")
	p.fillOutbox(t)
	relay := p.with(t, queue.Settings{Broker: p.broker, Step: once("queue.dispatch.surveyed", func() {
		p.pending(t, 2)
		p.queueOld(t, "id > 1")
		p.fillOutbox(t)
	})})
	d, err := relay.Relay(t.Context(), queue.RelayOptions{})
	if err != nil || d.TasksReused != 3 || p.depth(t) != 3 {
		t.Errorf("%+v, %v; %d messages", d, err, p.depth(t))
	}
}

// A relay loses PostgreSQL before it publishes, and meanwhile its jobs are paused and
// resumed: what it sends then is refused.
func TestABatchThatWasOvertakenIsNotPublished(t *testing.T) {
	t.Parallel()
	for name, exchange := range map[string]bool{"new messages": false, "messages that replace others": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, queue.Settings{})
			p.pending(t, 3)
			if exchange {
				p.queueOld(t, "true")
			}
			p.fillOutbox(t)
			var overtaken queue.Result
			first := true
			slow := p.with(t, queue.Settings{Broker: &meddled{p.broker, func() error {
				if first {
					first = false
					p.exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'`)
					testenv.Eventually(t, time.Minute, func() error {
						return p.db.Expect(`SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction')`)
					})
					p.open(t)
					overtaken = p.close(t)
				}
				return nil
			}}})
			d, err := slow.Relay(t.Context(), queue.RelayOptions{})
			if err == nil && d.TasksCreated+d.TasksReused > 0 {
				t.Errorf("the slow relay published: %+v", d)
			}
			if n := overtaken.TasksCreated + overtaken.TasksReused; n != 3 || p.depth(t) != 3 {
				t.Errorf("%+v; %d messages", overtaken, p.depth(t))
			}
			if err := p.db.Expect(`SELECT NOT EXISTS (SELECT FROM leadgenctl.outbox WHERE published_at IS NULL)`); err != nil {
				t.Error(err)
			}
		})
	}
}

// A message that was queued when it was looked for, and that a worker has fetched since,
// is not taken from it: the worker runs it, and there is no second task.
func TestAMessageThatAWorkerFetchesMeanwhileIsItsOwn(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, queue.Settings{})
	p.pending(t, 1)
	p.queueOld(t, "true")
	p.open(t)
	m := p.with(t, queue.Settings{Broker: p.broker, Step: once("queue.dispatch.sealed", func() {
		raw, err := p.client.RPop(t.Context(), "celery").Result()
		if err == nil {
			err = p.client.HSet(t.Context(), "unacked", "tag-1", `[`+raw+`, "", "celery"]`).Err()
		}
		if err == nil {
			err = p.client.ZAdd(t.Context(), "unacked_index", redis.Z{Score: float64(time.Now().Unix()), Member: "tag-1"}).Err()
		}
		if err != nil {
			t.Error(err)
		}
	})})
	r, err := m.Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{})
	if err != nil || r.JobsStillRunning != 1 || r.TasksReused+r.TasksCreated != 0 || p.depth(t) != 0 {
		t.Errorf("%+v, %v; %d messages", r, err, p.depth(t))
	}
	if n := p.client.HLen(t.Context(), "unacked").Val(); n != 1 {
		t.Errorf("%d reserved messages", n)
	}
}

package breaker_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// start starts b until the test ends.
func start(t testing.TB, b *breaker.Breaker) {
	t.Helper()
	if err := b.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
}

func TestAllowFollowsAnotherProcessByPush(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	// Polling alone would take an hour: what arrives, arrives by push.
	b, c := newBreaker(t, breaker.Settings{PollInterval: time.Hour})
	other := newOn(t, c, breaker.Settings{})
	start(t, b)
	if !b.Allow() {
		t.Fatal("an absent key is not closed")
	}
	// The subscription is made in the background: repeat until the first push arrives.
	eventually(t, "a push", func() bool {
		must(other.Close(ctx, breaker.CloseOptions{}))(t)
		must(other.Open(ctx, breaker.OpenOptions{}))(t)
		return !b.Allow()
	})
	must(other.Close(ctx, breaker.CloseOptions{}))(t)
	eventually(t, "allowed again", b.Allow)
}

func TestAllowFindsAPythonWriteByPolling(t *testing.T) {
	t.Parallel()
	b, c := newBreaker(t, breaker.Settings{PollInterval: 10 * time.Millisecond})
	start(t, b)
	write(t, c, pythonOpen, time.Hour)
	eventually(t, "denied", func() bool { return !b.Allow() })
	write(t, c, `{"state": "closed"}`, 0)
	eventually(t, "allowed", b.Allow)
	// A value that is no breaker changes nothing.
	write(t, c, pythonOpen, time.Hour)
	eventually(t, "denied", func() bool { return !b.Allow() })
}

func TestAllowSeesOwnChangesAtOnce(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, _ := newBreaker(t, breaker.Settings{})
	start(t, b)
	for range 100 {
		must(b.RecordFailure(ctx, errors.New("x")))(t)
		if b.Allow() {
			t.Fatal("allowed after an own failure")
		}
		must(b.Close(ctx, breaker.CloseOptions{}))(t)
		if !b.Allow() {
			t.Fatal("denied after an own close")
		}
	}
}

func TestAllowWhenRedisIsAway(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, c := range []struct {
		policy breaker.Policy
		open   bool
	}{{breaker.PolicyAllow, true}, {breaker.PolicyDeny, false}} {
		t.Run(string(c.policy), func(t *testing.T) {
			t.Parallel()
			server := testenv.StartRedis(t)
			client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1, DialerRetries: 1})
			t.Cleanup(func() { client.Close() })
			var failed atomic.Int64
			b := newOn(t, client, breaker.Settings{Policy: c.policy, PollInterval: 10 * time.Millisecond, MaxStale: 2 * time.Second,
				Hooks: breaker.Hooks{OnError: func(error) { failed.Add(1) }}})
			if b.Allow() != (c.policy == breaker.PolicyAllow) {
				t.Error("before the first read the policy counts")
			}
			start(t, b)
			if c.open {
				must(b.Open(ctx, breaker.OpenOptions{}))(t)
			}
			server.Stop()
			eventually(t, "Redis is missed", func() bool { return failed.Load() > 0 })
			if b.Allow() == c.open {
				t.Error("the last known state no longer counts at the first failed read")
			}
			eventually(t, "the policy counts", func() bool { return b.Allow() == (c.policy == breaker.PolicyAllow) })
			if err := server.Restart(ctx); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the server answers", func() bool { return client.Ping(ctx).Err() == nil })
			write(t, client, pythonOpen, 0)
			eventually(t, "Redis counts again", func() bool { return !b.Allow() })
		})
	}
}

func TestStartReportsAnUnreachableServerAndGoesOn(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	server := testenv.StartRedis(t)
	server.Stop()
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { client.Close() })
	b := newOn(t, client, breaker.Settings{PollInterval: 10 * time.Millisecond})
	if err := b.Start(ctx); err == nil {
		t.Error("no error")
	}
	t.Cleanup(b.Stop)
	if err := server.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server answers", func() bool { return client.Ping(ctx).Err() == nil })
	write(t, client, pythonOpen, 0)
	eventually(t, "denied", func() bool { return !b.Allow() })
}

// A server that takes connections and never answers is as good as away, although
// the read that waits for it has not failed yet.
func TestAllowWhenRedisHangs(t *testing.T) {
	t.Parallel()
	server := testenv.StartRedis(t)
	proxy := testenv.StartProxy(t, server.Addr())
	client := redis.NewClient(&redis.Options{Addr: proxy.Addr(), ReadTimeout: time.Minute, MaxRetries: -1})
	t.Cleanup(func() { client.Close() })
	b := newOn(t, client, breaker.Settings{Policy: breaker.PolicyDeny, PollInterval: 10 * time.Millisecond, MaxStale: 500 * time.Millisecond})
	start(t, b)
	if !b.Allow() {
		t.Fatal("denied at the start")
	}
	if err := proxy.Hang(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the policy counts", func() bool { return !b.Allow() })
	proxy.Reset()
	eventually(t, "Redis counts again", b.Allow)
}

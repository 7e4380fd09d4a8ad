package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// everyOperation goes once through what a breaker can do.
func everyOperation(t *testing.T, c redis.UniversalClient) {
	t.Helper()
	ctx := context.Background()
	b := newOn(t, c, breaker.Settings{PollInterval: 10 * time.Millisecond})
	other := newOn(t, c, breaker.Settings{})
	start(t, b)
	ch := watch(t, b, "0-0")
	must(other.RecordFailure(ctx, errors.New("502"), breaker.ForService("apollo")))(t)
	eventually(t, "denied", func() bool { return !b.Allow() })
	must(other.Close(ctx, breaker.CloseOptions{}))(t)
	eventually(t, "allowed", b.Allow)
	write(t, c, pythonOpen, time.Hour)
	must(other.Adopt(ctx, 0))(t)
	raw := must(other.State(ctx))(t).Raw
	must(other.Import(ctx, breaker.ImportOptions{Expected: raw, Record: breaker.Record{State: breaker.Closed}}))(t)
	must(other.Restore(ctx, breaker.Durable{State: breaker.Open, Epoch: 9, At: time.Now(), OpenedAt: time.Now()}))(t)
	raw = must(other.State(ctx))(t).Raw
	must(other.Replace(ctx, breaker.ReplaceOptions{Expected: raw}))(t)
	for i, want := range []breaker.State{breaker.Open, breaker.Closed, breaker.Open, breaker.Closed, breaker.Open, breaker.Closed} {
		e := next(t, ch)
		// The third is Python's: it has an epoch if it was adopted before it was found.
		if e.err != nil || e.State != want || i != 2 && e.Epoch != []int64{1, 2, 3, 4, 9, 10}[i] {
			t.Fatalf("event %d: %+v", i, e)
		}
	}
}

func TestOnRedisCluster(t *testing.T) {
	t.Parallel()
	cluster := testenv.StartRedisCluster(t)
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: cluster.Addrs()})
	t.Cleanup(func() { c.Close() })
	ctx := context.Background()
	keys := breaker.KeysOf(breaker.DefaultKey)
	slot := c.ClusterKeySlot(ctx, keys.Breaker).Val()
	for _, k := range []string{keys.Ledger, keys.Events} {
		if s := c.ClusterKeySlot(ctx, k).Val(); s != slot {
			t.Errorf("%s lies in slot %d, the breaker in %d", k, s, slot)
		}
	}
	everyOperation(t, c)
}

func TestOnRedisSentinelThroughAFailover(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := testenv.StartRedisSentinel(t)
	c := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: servers.SentinelMaster, SentinelAddrs: s.Addrs()})
	t.Cleanup(func() { c.Close() })
	b := newOn(t, c, breaker.Settings{PollInterval: 10 * time.Millisecond})
	start(t, b)
	must(b.Open(ctx, breaker.OpenOptions{Reason: "before"}))(t)
	if err := c.Wait(ctx, 1, 10*time.Second).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Failover(ctx); err != nil {
		t.Fatal(err)
	}
	// Until the old master is told, it still takes writes, and then drops them.
	old := redis.NewClient(&redis.Options{Addr: s.Master.Addr()})
	t.Cleanup(func() { old.Close() })
	testenv.Eventually(t, time.Minute, func() error {
		if info, err := old.Info(ctx, "replication").Result(); err != nil || !strings.Contains(info, "role:slave") {
			return fmt.Errorf("the old master is still one: %v", err)
		}
		return nil
	})
	eventually(t, "the new master answers", func() bool {
		tr, err := b.Close(ctx, breaker.CloseOptions{Reason: "after"})
		return err == nil && tr.State == breaker.Closed
	})
	if st := must(b.State(ctx))(t); st.Epoch != 2 || st.State != breaker.Closed {
		t.Errorf("%+v", st)
	}
	eventually(t, "allowed", b.Allow)
}

// A user who may only read can see everything, and is told what he may not do.
func TestReadingNeedsNoMoreThanReadRights(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	server := testenv.StartRedisWith(t, servers.RedisOptions{Users: map[string]string{
		"reader": "on >secret ~circuit_breaker:global ~{circuit_breaker:global}:* resetchannels &{circuit_breaker:global}:* -@all +@read +multi +exec +subscribe +ping",
	}})
	admin := redis.NewClient(&redis.Options{Addr: server.Addr()})
	reader := redis.NewClient(&redis.Options{Addr: server.Addr(), Username: "reader", Password: "secret"})
	t.Cleanup(func() { admin.Close(); reader.Close() })
	a := newOn(t, admin, breaker.Settings{})
	b := newOn(t, reader, breaker.Settings{PollInterval: time.Hour})
	start(t, b)
	ch := watch(t, b, "0-0")
	eventually(t, "a push", func() bool {
		must(a.Close(ctx, breaker.CloseOptions{}))(t)
		must(a.Open(ctx, breaker.OpenOptions{Reason: "r"}))(t)
		return !b.Allow()
	})
	if st := must(b.State(ctx))(t); st.Reason != "r" {
		t.Errorf("%+v", st)
	}
	if e := must(b.History(ctx, breaker.Filter{Limit: 1}))(t); len(e) != 1 {
		t.Errorf("%+v", e)
	}
	if e := next(t, ch); e.err != nil || e.Epoch != 1 {
		t.Errorf("%+v", e)
	}
	if _, err := b.Close(ctx, breaker.CloseOptions{}); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("a change by a reader: %v", err)
	}
}

// These rights, and no others, are enough to change the breaker; the right to
// publish may be missing.
func TestChangingNeedsNoMoreThanItsOwnKeys(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	const rights = "on >secret resetkeys ~circuit_breaker:global ~{circuit_breaker:global}:* resetchannels -@all +ping +multi +exec " +
		"+get +set +del +type +pttl +persist +pexpire +dump +hgetall +hset +xadd +xrange +xrevrange +evalsha +eval "
	server := testenv.StartRedisWith(t, servers.RedisOptions{Users: map[string]string{
		"writer": rights + "&{circuit_breaker:global}:changes +publish +subscribe",
		"mute":   rights,
	}})
	connect := func(user string) *breaker.Breaker {
		c := redis.NewClient(&redis.Options{Addr: server.Addr(), Username: user, Password: "secret"})
		t.Cleanup(func() { c.Close() })
		return newOn(t, c, breaker.Settings{PollInterval: 10 * time.Millisecond})
	}
	writer, mute := connect("writer"), connect("mute")
	start(t, mute) // it may not subscribe either: it polls
	must(writer.Open(ctx, breaker.OpenOptions{}))(t)
	eventually(t, "denied", func() bool { return !mute.Allow() })
	if tr := must(mute.Close(ctx, breaker.CloseOptions{}))(t); !tr.Changed || tr.Epoch != 2 {
		t.Errorf("%+v", tr)
	}
	must(mute.RecordFailure(ctx, errors.New("502")))(t)
	if st := must(writer.State(ctx))(t); st.Epoch != 3 || st.State != breaker.Open {
		t.Errorf("%+v", st)
	}
}

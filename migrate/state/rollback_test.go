package state_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/state"
)

func TestADamagedSnapshotIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, testenv.NewRedis(t).Client)
	r.Open("apollo", base(), "down", "http_5xx", 1)
	id := r.migrate().Snapshot
	path := r.store.Location(id)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var damaged *state.DamagedError
	for _, c := range []struct {
		name, bad string
		readable  bool
	}{
		{"truncated", string(data[:len(data)/2]), false},
		{"empty", "", false},
		{"extended", string(data) + " ", true},
		{"changed", strings.Replace(string(data), `"actor": "ops@test"`, `"actor": "ops@tesT"`, 1), true},
	} {
		name := c.name
		if err := os.WriteFile(path, []byte(c.bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := r.m.PlanRollback(ctx, state.RollbackOptions{ID: "latest"}); !errors.As(err, &damaged) || damaged.ID != id {
			t.Errorf("%s: got %v, want it refused as damaged", name, err)
		}
		_, err := r.m.PlanRollback(ctx, state.RollbackOptions{ID: id, Force: true})
		if c.readable != (err == nil) {
			t.Errorf("%s and forced: %v", name, err)
		}
	}
	if n := r.Client.Exists(ctx, "circuit_breaker:apollo").Val(); n != 0 {
		t.Error("a refused rollback has restored a key")
	}
	r.rollback(state.RollbackOptions{ID: "latest", Force: true})
}

func TestASnapshotOfAnotherDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	db := testenv.NewRedis(t)
	r := newRig(t, db.Client)
	r.Open("apollo", base(), "down", "http_5xx", 1)
	r.migrate()
	for name, client := range map[string]redis.UniversalClient{
		"another database": testenv.NewRedis(t).Client,
		"another server":   redis.NewClient(&redis.Options{Addr: testenv.StartRedis(t).Addr()}),
	} {
		other := newRig(t, client)
		other.store = r.store
		other.m = other.migrator()
		var foreign *state.ForeignError
		if _, err := other.m.PlanRollback(ctx, state.RollbackOptions{ID: "latest"}); !errors.As(err, &foreign) {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
		if _, err := other.m.PlanRollback(ctx, state.RollbackOptions{ID: "latest", Force: true}); err != nil {
			t.Errorf("%s, forced: %v", name, err)
		}
	}
}

// TestTheSameServerAfterARestartIsKnown restarts a server that keeps its data:
// its run id and, without a saved one, its replication id are new.
func TestTheSameServerAfterARestartIsKnown(t *testing.T) {
	t.Parallel()
	server := testenv.StartRedis(t, "--appendonly", "yes")
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()
	r := newRig(t, client)
	r.Open("apollo", base(), "down", "http_5xx", 1)
	r.migrate()
	if err := server.Restart(ctx, "--appendonly", "yes"); err != nil {
		t.Fatal(err)
	}
	r.rollback(state.RollbackOptions{ID: "latest"})
	if n := client.Exists(ctx, "circuit_breaker:apollo").Val(); n != 1 {
		t.Error("the key was not restored")
	}
}

func TestAfterAFailoverTheSnapshotIsKnown(t *testing.T) {
	t.Parallel()
	sentinel := testenv.StartRedisSentinel(t)
	client := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "leadgen", SentinelAddrs: sentinel.Addrs()})
	defer client.Close()
	r := newRig(t, client)
	r.Open("apollo", base(), "down", "http_5xx", 1)
	r.migrate()
	client.Do(ctx, "WAIT", 1, 5000)
	if err := sentinel.Failover(ctx); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 30*time.Second, func() error {
		port, err := client.ConfigGet(ctx, "port").Result()
		if err == nil && port["port"] != fmt.Sprint(sentinel.Replica.Port) {
			err = fmt.Errorf("the client is still at %v", port)
		}
		return err
	})
	r.rollback(state.RollbackOptions{ID: "latest"})
	if n := client.Exists(ctx, "circuit_breaker:apollo").Val(); n != 1 {
		t.Error("the key was not restored")
	}
}

func TestLifeCountsFromTheSnapshot(t *testing.T) {
	t.Parallel()
	r := newRig(t, testenv.NewRedis(t).Client)
	r.Open("apollo", base(), "down", "http_5xx", 1)
	r.Client.PExpire(ctx, "circuit_breaker:apollo", 300*time.Millisecond)
	r.Pause("openai", base())
	ends := time.Now().Add(3600 * time.Second)
	r.migrate()
	testenv.Eventually(t, time.Minute, func() error {
		p, err := r.m.PlanRollback(ctx, state.RollbackOptions{ID: "latest"})
		if err != nil || p.Keys[0].Action != state.ActionExpired {
			return fmt.Errorf("%+v, %v", p, err)
		}
		return nil
	})
	p := r.rollback(state.RollbackOptions{ID: "latest"})
	if n := r.Client.Exists(ctx, "circuit_breaker:apollo").Val(); n != 0 || p.Keys[0].Action != state.ActionExpired {
		t.Errorf("a key whose life has run out was restored: %+v", p.Keys[0])
	}
	if off := time.Now().Add(r.Client.PTTL(ctx, "queue_paused:openai").Val()).Sub(ends).Abs(); off > time.Second {
		t.Errorf("the life of the other is wrong by %v", off)
	}
	r.rollback(state.RollbackOptions{ID: "latest", KeepFull: true})
	if ttl := r.Client.PTTL(ctx, "circuit_breaker:apollo").Val(); ttl <= 0 && ttl != -2 {
		t.Errorf("with the full life it has %v", ttl)
	}
}

func TestAnOpenGlobalKeyIsNotClosedByItsLife(t *testing.T) {
	t.Parallel()
	r := newRig(t, testenv.NewRedis(t).Client)
	const value = `{"state": "open", "opened_at": "2026-01-05T10:20:41", "closed_at": null, "metadata": {}}`
	r.Set(global, value, 400*time.Millisecond)
	r.Open("apollo", base(), "down", "http_5xx", 1)
	r.migrate()
	testenv.Eventually(t, time.Minute, func() error {
		p, err := r.m.PlanRollback(ctx, state.RollbackOptions{ID: "latest"})
		if err != nil || p.Global.TTL != state.NoExpiry {
			return fmt.Errorf("%+v, %v", p, err)
		}
		return nil
	})
	r.rollback(state.RollbackOptions{ID: "latest"})
	if st := r.status(); st.State != breaker.Open || string(st.Raw) != value || st.TTL != 0 {
		t.Errorf("got %s with %v to live", st.Raw, st.TTL)
	}
}

func TestWhatWasWrittenSinceIsSavedAndOverwritten(t *testing.T) {
	t.Parallel()
	r := newRig(t, testenv.NewRedis(t).Client)
	r.Open("apollo", base(), "down", "http_5xx", 1)
	before := dumpAll(t, r.Client, "circuit_breaker:apollo")
	id := r.migrate().Snapshot
	r.Closed("apollo")
	since := r.Client.Dump(ctx, "circuit_breaker:apollo").Val()
	p := r.rollback(state.RollbackOptions{ID: id})
	sameKeys(t, before, dumpAll(t, r.Client, "circuit_breaker:apollo"))
	saved, err := r.store.Load(ctx, p.Saved)
	if err != nil || saved.Kind != state.KindRollback || len(saved.Keys) != 1 || string(saved.Keys[0].Dump) != since {
		t.Errorf("what was there before the rollback is not in its snapshot: %+v, %v", saved, err)
	}
}

// TestASetThatWasLargeOnceIsTheSameValue: Redis converts it when it restores it.
func TestASetThatWasLargeOnceIsTheSameValue(t *testing.T) {
	t.Parallel()
	r := newRig(t, testenv.NewRedis(t).Client)
	for i := range 200 {
		r.Fail("apollo", base().Add(time.Duration(i)*time.Millisecond), "timeout")
	}
	r.Client.ZRemRangeByRank(ctx, "circuit_failures:apollo", 3, -1)
	want := r.Client.ZRangeWithScores(ctx, "circuit_failures:apollo", 0, -1).Val()
	r.migrate()
	p := r.rollback(state.RollbackOptions{ID: "latest"})
	got := r.Client.ZRangeWithScores(ctx, "circuit_failures:apollo", 0, -1).Val()
	if fmt.Sprint(got) != fmt.Sprint(want) || p.Keys[0].Action != state.ActionRestored || p.Keys[0].Verified == "" {
		t.Errorf("got %v and %+v, want %v", got, p.Keys[0], want)
	}
}

func TestThereIsNoSnapshot(t *testing.T) {
	t.Parallel()
	r := newRig(t, testenv.NewRedis(t).Client)
	for _, id := range []string{"latest", "20260101t000000000z-00000000", "../../etc/passwd", ""} {
		if _, err := r.m.PlanRollback(ctx, state.RollbackOptions{ID: id}); !errors.Is(err, state.ErrNoSnapshot) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

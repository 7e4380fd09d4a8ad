package migratestatecmd_test

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/crashpoint"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/state"
)

// TestKilledAtAnyStep kills a migration at each of its steps, and once at each
// key on Cluster: a second run completes it, a third finds nothing to do, the
// history tells everything once, and a rollback brings back what was there first.
func TestKilledAtAnyStep(t *testing.T) {
	t.Parallel()
	single := slices.DeleteFunc(slices.Clone(state.MigrateSteps), func(s string) bool { return s == state.StepDeletedKey })
	for _, point := range single {
		t.Run("single/"+point, func(t *testing.T) {
			t.Parallel()
			db := testenv.NewRedis(t)
			killedMigration(t, newUser(t, db.Client, db.URL), point)
		})
	}
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		c := testenv.StartRedisCluster(t)
		url := "redis+cluster://" + strings.Join(c.Addrs(), ",")
		points := append(slices.Clone(single), state.StepDeletedKey)
		for n := 2; n <= len(testenv.PlatformKeys); n += 4 {
			points = append(points, fmt.Sprintf("%s:%d", state.StepDeletedKey, n))
		}
		for _, point := range points {
			t.Run(point, func(t *testing.T) {
				client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.Addrs()})
				defer client.Close()
				for _, n := range c.Nodes { // each case begins with empty nodes
					if err := redis.NewClient(&redis.Options{Addr: n.Addr()}).FlushAll(ctx).Err(); err != nil {
						t.Fatal(err)
					}
				}
				killedMigration(t, newUser(t, client, url), point)
			})
		}
	})
}

func killedMigration(t *testing.T, u *user, point string) {
	at := base()
	u.Platform(at)
	before := u.dumps(append(testenv.PlatformKeys, global)...)
	others := u.dumps(testenv.UntouchedKeys...)

	u.crash(point, "migrate-state", "--yes")
	if len(u.dumps(testenv.PlatformKeys...)) < len(testenv.PlatformKeys) && u.status().State != breaker.Open {
		t.Fatal("killed: an old key is gone, and the global breaker is not open")
	}

	u.must("migrate-state", "--yes")
	if left := u.dumps(testenv.PlatformKeys...); len(left) > 0 {
		t.Errorf("second run: %d old keys are left", len(left))
	}
	if st := u.status(); st.State != breaker.Open || !st.OpenedAt.Equal(at.Add(-40*60e9)) || st.Record.Metadata.Text("last_error") != "Apollo 502 Bad Gateway" {
		t.Errorf("second run: the breaker is %s since %v: %s", st.State, st.OpenedAt, st.Raw)
	}
	if n := u.legacyEvents(); n != 10 {
		t.Errorf("second run: the history tells of %d old events, want 10", n)
	}
	u.same("second run", others, u.dumps(testenv.UntouchedKeys...))
	if r := u.must("migrate-state", "-o", "json").decode(t); r.Applied || r.State != "open" {
		t.Errorf("third run: %+v, want nothing to do", r)
	}

	u.must("migrate-state", "--rollback", "latest", "--yes")
	u.same("rolled back", before, u.dumps(append(testenv.PlatformKeys, global)...))
}

// TestAKilledMigrationIsRolledBack rolls back without completing it first.
func TestAKilledMigrationIsRolledBack(t *testing.T) {
	t.Parallel()
	for _, point := range []string{state.StepSnapshotSaved, state.StepMarked, state.StepSwitched, state.StepVerified, state.StepDeleted, state.StepDone} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			db := testenv.NewRedis(t)
			u := newUser(t, db.Client, db.URL)
			u.Platform(base())
			names := append(testenv.PlatformKeys, global)
			before := u.dumps(names...)
			u.crash(point, "migrate-state", "--yes")
			u.must("migrate-state", "--rollback", "latest", "--yes")
			u.same("rolled back", before, u.dumps(names...))
			u.must("migrate-state", "--yes")
			if n := u.legacyEvents(); n != 10 {
				t.Errorf("migrated after that: the history tells of %d old events, want 10", n)
			}
		})
	}
}

// TestRollbackKilledAtAnyStep kills a rollback at each of its steps: the same
// rollback completes it, and so does one more find nothing to do.
func TestRollbackKilledAtAnyStep(t *testing.T) {
	t.Parallel()
	points := append(slices.Clone(state.RollbackSteps), state.StepRestoredKey+":5", state.StepSnapshotWritten)
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			db := testenv.NewRedis(t)
			u := newUser(t, db.Client, db.URL)
			u.Platform(base())
			u.Set(global, `{"state": "open", "opened_at": "2026-01-05T10:20:41", "closed_at": null, "metadata": {}}`, 86400e9)
			names := append(testenv.PlatformKeys, global)
			before := u.dumps(names...)
			u.must("migrate-state", "--yes")
			u.crash(point, "migrate-state", "--rollback", "latest", "--yes")
			u.must("migrate-state", "--rollback", "latest", "--yes")
			u.same("second rollback", before, u.dumps(names...))
			if ttl := u.Client.TTL(ctx, global).Val(); ttl < 86000e9 {
				t.Errorf("the global key has %v to live, not what it had", ttl)
			}
			if o := u.must("migrate-state", "--rollback", "latest", "--yes"); !strings.Contains(o.out, "Nothing to do") {
				t.Errorf("third rollback: %s", o.out)
			}
			u.must("migrate-state", "--yes") // and forward again
			if st := u.status(); st.State != breaker.Open {
				t.Errorf("migrated again: the breaker is %s", st.State)
			}
		})
	}
}

// TestAFollowerKilledAtAnyStepOfACarry: what an old worker wrote is carried by the
// next run, also when the follower had saved it and not yet carried it.
func TestAFollowerKilledAtAnyStepOfACarry(t *testing.T) {
	t.Parallel()
	for _, point := range []string{state.StepSnapshotWritten, state.StepSnapshotSaved, state.StepMarked, state.StepSwitched, state.StepVerified, state.StepDeleted, state.StepDone} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			db := testenv.NewRedis(t)
			u := newUser(t, db.Client, db.URL)
			u.Closed("openai")
			before := u.dumps(global, "circuit_breaker:openai")

			u.env = []string{crashpoint.EnvVar + "=" + point + ":2"} // the first time is the migration's own
			cmd, out, errOut := u.command("migrate-state", "--yes", "--follow", "--interval", "10ms")
			u.env = nil
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			testenv.Eventually(t, 30*time.Second, func() error {
				if phase := db.Client.HGet(ctx, "{circuit_breaker:global}:migration", "phase").Val(); phase != "done" {
					return fmt.Errorf("the migration is %q", phase)
				}
				return nil
			})
			u.Open("apollo", base(), "Apollo is down", "http_5xx", 1)
			if o := outcomeOf(t, cmd.Wait(), out, errOut); o.signal != syscall.SIGKILL {
				t.Fatalf("not killed, but exit %d: %s", o.code, o.errOut)
			}
			u.must("migrate-state", "--yes", "--follow", "--quiet", "20ms", "--interval", "10ms")
			if st := u.status(); st.State != breaker.Open || db.Client.Exists(ctx, "circuit_breaker:apollo").Val() != 0 {
				t.Errorf("what the old worker wrote is lost: %s", st.Raw)
			}
			if n := u.legacyEvents(); n != 1 {
				t.Errorf("the history tells of %d old events, want 1", n)
			}
			if point == state.StepSwitched || point == state.StepVerified || point == state.StepDeleted || point == state.StepMarked {
				u.must("migrate-state", "--rollback", "latest", "--yes") // one snapshot has it all
				u.same("rolled back", before, u.dumps(global, "circuit_breaker:openai"))
			}
		})
	}
}

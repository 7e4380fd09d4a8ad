package state_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/state"
)

// TestNothingThatAnOldWorkerWritesMeanwhileIsLost lets old workers count failures
// while migrations run one after the other: in the end every failure is in the
// history, exactly once.
func TestNothingThatAnOldWorkerWritesMeanwhileIsLost(t *testing.T) {
	t.Parallel()
	for name, client := range topologies(t) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, client, func(s *state.Settings) { s.Discover = false })
			r.Open("apollo", base(), "down", "http_5xx", 1)
			const workers, each = 4, 50
			at := base().Truncate(time.Second)
			var writing sync.WaitGroup
			for w := range workers {
				writing.Go(func() {
					for i := range each {
						r.Fail("apollo", at.Add(time.Duration(w*each+i)*time.Millisecond), fmt.Sprintf("worker%d", w))
					}
				})
			}
			done := make(chan struct{})
			go func() { writing.Wait(); close(done) }()
			for finished := false; !finished; {
				select {
				case <-done:
					finished = true // one more migration takes the rest
				default:
				}
				p, err := r.m.Plan(ctx)
				if err != nil {
					t.Fatal(err)
				}
				_, err = r.m.Apply(ctx, p)
				var busy *state.BusyError
				if err != nil && !errors.As(err, &busy) {
					t.Fatal(err)
				}
			}
			seen := make(map[int64]int)
			for _, e := range carried(t, r) {
				if e.Kind == breaker.EventLegacyFailure {
					seen[e.At.UnixMilli()]++
				}
			}
			for i := range workers * each {
				if n := seen[at.Add(time.Duration(i)*time.Millisecond).UnixMilli()]; n != 1 {
					t.Fatalf("failure %d is %d times in the history, of %d that are", i, n, len(seen))
				}
			}
			if left := dumpAll(t, client, testenv.PlatformKeys...); len(left) > 0 {
				t.Errorf("old keys are left: %v", left)
			}
		})
	}
}

// at runs do when a migration reaches a step, once.
func at(step string, do func()) func(*state.Settings) {
	var once sync.Once
	return func(s *state.Settings) {
		s.Step = func(name string) {
			if name == step {
				once.Do(do)
			}
		}
	}
}

func TestAKeyThatChangesAfterThePlanIsPlannedAgain(t *testing.T) {
	t.Parallel()
	for _, step := range []string{state.StepPlanned, state.StepSnapshotSaved, state.StepSwitched, state.StepVerified, state.StepDeleted} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, testenv.NewRedis(t).Client)
			r.Closed("apollo")
			r.Fail("openai", base().Add(-2*time.Second), "timeout")
			r.m = r.migrator(at(step, func() {
				r.Fail("openai", base().Add(-time.Second), "timeout")
				r.Open("apollo", base(), "Apollo is down", "http_5xx", 1)
			}))
			res := r.migrate()
			if st := r.status(); st.State != breaker.Open || st.Record.Metadata.Text("last_error") != "Apollo is down" {
				t.Errorf("what was written meanwhile is lost: %s", st.Raw)
			}
			if res.Rounds != 2 {
				t.Errorf("planned %d times, want 2", res.Rounds)
			}
			snap, err := r.store.Load(ctx, res.Snapshot)
			if err != nil {
				t.Fatal(err)
			}
			r.rollback(state.RollbackOptions{ID: res.Snapshot})
			for _, k := range snap.Keys {
				if got := r.Client.Dump(ctx, k.Key).Val(); got != string(k.Dump) {
					t.Errorf("rolled back: %s is not as it was last", k.Key)
				}
			}
			failures := 0
			for _, e := range carried(t, r) {
				if e.Kind == breaker.EventLegacyFailure {
					failures++
				}
			}
			if failures != 2 {
				t.Errorf("the history tells of %d failures, want 2", failures)
			}
		})
	}
}

func TestTheGlobalKeyIsWrittenByANewWorkerMeanwhile(t *testing.T) {
	t.Parallel()
	r := newRig(t, testenv.NewRedis(t).Client)
	r.Open("apollo", base(), "down", "http_5xx", 1)
	r.m = r.migrator(at(state.StepSnapshotSaved, func() {
		if _, err := r.breaker.Open(ctx, breaker.OpenOptions{Reason: "opened meanwhile"}); err != nil {
			t.Error(err)
		}
	}))
	if res := r.migrate(); res.Rounds != 2 || res.Status.State != breaker.Open || !res.Status.OpenedAt.Equal(base()) && res.Status.OpenedAt.After(time.Now().Add(-30*time.Second)) {
		t.Errorf("got %+v, want the two merged", res.Status)
	}
}

func TestAKeyThatDiesOfAgeMeanwhileStillCounts(t *testing.T) {
	t.Parallel()
	r := newRig(t, testenv.NewRedis(t).Client)
	r.Open("apollo", base(), "down", "http_5xx", 1)
	r.Client.PExpire(ctx, "circuit_breaker:apollo", 500*time.Millisecond)
	r.m = r.migrator(at(state.StepSnapshotSaved, func() {
		testenv.Eventually(t, time.Minute, func() error {
			if r.Client.Exists(ctx, "circuit_breaker:apollo").Val() == 1 {
				return errors.New("it is there still")
			}
			return nil
		})
	}))
	r.migrate()
	if st := r.status(); st.State != breaker.Open {
		t.Errorf("time has closed the breaker: %s", st.Raw)
	}
}

func TestACloseBetweenAnInterruptedRunAndTheNextStands(t *testing.T) {
	t.Parallel()
	r := newRig(t, testenv.NewRedis(t).Client)
	r.Open("apollo", base(), "down", "http_5xx", 1)
	interrupted, cancel := context.WithCancel(ctx)
	r.m = r.migrator(at(state.StepSwitched, cancel))
	p := r.plan()
	if res, err := r.m.Apply(interrupted, p); err == nil || !res.Applied {
		t.Fatalf("not interrupted after the switch: %+v, %v", res, err)
	}
	if _, err := r.breaker.Close(ctx, breaker.CloseOptions{Actor: "a person"}); err != nil {
		t.Fatal(err)
	}
	r.m = r.migrator()
	if p := r.plan(); p.Resumes == "" || p.NothingToDo() {
		t.Fatalf("the interrupted run is not carried on: %+v", p)
	}
	r.migrate()
	if st := r.status(); st.State != breaker.Closed || r.Client.Exists(ctx, "circuit_breaker:apollo").Val() != 0 {
		t.Errorf("what a person closed is open again: %s", st.Raw)
	}
}

// TestMigrationsAtTheSameTime are several operators who do not know of each other.
func TestMigrationsAtTheSameTime(t *testing.T) {
	t.Parallel()
	for name, client := range topologies(t) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, client)
			at := base()
			r.Platform(at)
			var group sync.WaitGroup
			for i := range 6 {
				group.Go(func() {
					m := r.migrator(func(s *state.Settings) {
						if i%2 == 1 {
							s.Store = &state.FileStore{Dir: t.TempDir()}
						}
					})
					p, err := m.Plan(ctx)
					if err == nil {
						_, err = m.Apply(ctx, p)
					}
					var busy *state.BusyError
					if err != nil && !errors.As(err, &busy) {
						t.Error(err)
					}
				})
			}
			group.Wait()
			r.migrate() // whatever was left undone
			if st := r.status(); st.State != breaker.Open || !st.OpenedAt.Equal(at.Add(-40*time.Minute)) || st.Epoch != 1 {
				t.Errorf("the breaker is %s since %v, epoch %d", st.State, st.OpenedAt, st.Epoch)
			}
			if n := len(carried(t, r)); n != 10 {
				t.Errorf("the history tells of %d old events, want 10", n)
			}
			if left := dumpAll(t, client, testenv.PlatformKeys...); len(left) > 0 {
				t.Errorf("old keys are left: %v", left)
			}
		})
	}
}

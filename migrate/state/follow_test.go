package state_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/state"
)

func TestFollowCarriesWhatOldWorkersStillWrite(t *testing.T) {
	t.Parallel()
	for name, client := range topologies(t) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, client)
			r.Closed("apollo")
			res := r.migrate()
			first := r.status()

			carries := make(chan state.Carry, 10)
			end := make(chan *state.Followed, 1)
			following, stop := context.WithCancel(ctx)
			defer stop()
			go func() {
				f, err := r.m.Follow(following, state.FollowOptions{Quiet: time.Hour, Interval: 5 * time.Millisecond,
					Carried: func(c state.Carry) { carries <- c }, After: res})
				if err != nil {
					t.Error(err)
				}
				end <- f
			}()
			r.Fail("openai", base(), "timeout") // counts only: it is left until it leads to something
			r.Open("apollo", base(), "Apollo is down", "http_5xx", 1)
			if c := <-carries; c.State != breaker.Open || !c.Transition.Changed || len(c.Keys) != 1 || c.Keys[0].Key != "circuit_breaker:apollo" {
				t.Errorf("carried %+v", c)
			}
			if r.Client.Exists(ctx, "circuit_failures:openai").Val() != 1 {
				t.Error("a counter below the threshold was taken from the old workers")
			}
			if _, err := r.breaker.Close(ctx, breaker.CloseOptions{Actor: "a person"}); err != nil {
				t.Fatal(err)
			}
			r.Closed("apollo") // an old worker's recovery closes nothing and opens nothing
			if c := <-carries; c.State != breaker.Closed || c.Transition.Changed {
				t.Errorf("carried %+v, want no change", c)
			}
			r.HalfOpen("openai") // new trouble opens it again, and takes its counter along
			if c := <-carries; c.State != breaker.Open || len(c.Keys) != 2 {
				t.Errorf("carried %+v, want both keys of openai and an open breaker", c)
			}
			stop()
			f := <-end
			if f.Quiet || f.Carries != 3 || f.Snapshot != res.Snapshot {
				t.Errorf("got %+v, want 3 carries into the migration's own snapshot", f)
			}
			// One rollback undoes the migration and what was carried after it.
			r.rollback(state.RollbackOptions{ID: "latest"})
			if st := r.status(); st.Exists || first.State != breaker.Closed {
				t.Errorf("rolled back: the global key is %s, want it absent", st.Raw)
			}
			if n := r.Client.Exists(ctx, "circuit_breaker:apollo", "circuit_breaker:openai", "circuit_failures:openai"); name != "cluster" && n.Val() != 3 {
				t.Errorf("rolled back: %d of 3 keys are there", n.Val())
			}
		})
	}
}

func TestFollowEndsWhenOldWorkersAreQuiet(t *testing.T) {
	t.Parallel()
	r := newRig(t, testenv.NewRedis(t).Client)
	f, err := r.m.Follow(ctx, state.FollowOptions{Quiet: 50 * time.Millisecond, Interval: 5 * time.Millisecond})
	if err != nil || !f.Quiet || f.Carries != 0 || f.Snapshot != "" || !f.LastSeen.IsZero() {
		t.Errorf("got %+v, %v", f, err)
	}
}

func TestFollowStopsAtAMalformedKey(t *testing.T) {
	t.Parallel()
	r := newRig(t, testenv.NewRedis(t).Client)
	r.Set("circuit_breaker:apollo", "rubbish", 0)
	_, err := r.m.Follow(ctx, state.FollowOptions{Quiet: time.Hour, Interval: 5 * time.Millisecond})
	var malformed *state.MalformedError
	if !errors.As(err, &malformed) || malformed.Key != "circuit_breaker:apollo" {
		t.Errorf("got %v", err)
	}
}

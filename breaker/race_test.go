package breaker_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// gate holds answers back that have come already, so that two overtake each other.
type gate struct {
	redis.Hook
	script, read chan struct{} // each takes one answer's permission to go on; nil for no holding
	reached      chan struct{}
	failReads    atomic.Bool
}

func (g *gate) DialHook(next redis.DialHook) redis.DialHook { return next }

func (g *gate) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if held := ctx.Value(heldKey{}); held != nil && cmd.Name() == "evalsha" {
			g.reached <- struct{}{}
			<-g.script
		}
		return err
	}
}

func (g *gate) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if g.failReads.Load() && cmds[0].Name() == "multi" {
			return errors.New("reads fail")
		}
		err := next(ctx, cmds)
		if ctx.Value(heldKey{}) != nil && cmds[0].Name() == "multi" { // not what sets a connection up
			g.reached <- struct{}{}
			<-g.read
		}
		return err
	}
}

type heldKey struct{}

func newGate(t *testing.T, s breaker.Settings) (*breaker.Breaker, *gate) {
	t.Helper()
	b, c := newBreaker(t, s)
	ctx := context.Background()
	must(b.Open(ctx, breaker.OpenOptions{}))(t) // the server learns the scripts
	must(b.Close(ctx, breaker.CloseOptions{}))(t)
	g := &gate{script: make(chan struct{}), read: make(chan struct{}), reached: make(chan struct{})}
	c.AddHook(g)
	return b, g
}

func TestAReadThatAnOwnChangeOvertookDoesNotCount(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, g := newGate(t, breaker.Settings{})
	done := make(chan error)
	go func() {
		_, err := b.State(context.WithValue(ctx, heldKey{}, true)) // finds it closed
		done <- err
	}()
	<-g.reached
	must(b.Open(ctx, breaker.OpenOptions{}))(t)
	g.read <- struct{}{}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if b.Allow() {
		t.Error("the older read counts")
	}
}

func TestOfTwoOwnChangesTheLaterEpochCounts(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, g := newGate(t, breaker.Settings{})
	done := make(chan error)
	go func() {
		_, err := b.Open(context.WithValue(ctx, heldKey{}, true), breaker.OpenOptions{})
		done <- err
	}()
	<-g.reached
	must(b.Close(ctx, breaker.CloseOptions{}))(t)
	g.script <- struct{}{}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !b.Allow() {
		t.Error("the answer that came late counts")
	}
}

func TestOwnChangesConfirmTheStateForMaxStaleOnly(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, g := newGate(t, breaker.Settings{Policy: breaker.PolicyDeny, PollInterval: 5 * time.Millisecond, MaxStale: 200 * time.Millisecond})
	start(t, b)
	g.failReads.Store(true)
	for end := time.Now().Add(600 * time.Millisecond); time.Now().Before(end); {
		before := time.Now()
		must(b.Open(ctx, breaker.OpenOptions{}))(t)
		must(b.Close(ctx, breaker.CloseOptions{}))(t)
		if !b.Allow() && time.Since(before) < 100*time.Millisecond {
			t.Fatal("denied although an own change has just closed it")
		}
	}
	eventually(t, "the policy counts", func() bool { return !b.Allow() })
}

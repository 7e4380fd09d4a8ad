package breaker_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

type seen struct {
	breaker.Event
	err error
}

// watch runs b.Watch until the test ends.
func watch(t *testing.T, b *breaker.Breaker, after string) <-chan seen {
	ctx, cancel := context.WithCancel(context.Background())
	ch, done := make(chan seen, 1000), make(chan struct{})
	go func() {
		defer close(done)
		for e, err := range b.Watch(ctx, after) {
			ch <- seen{e, err}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return ch
}

func next(t *testing.T, ch <-chan seen) seen {
	t.Helper()
	select {
	case s := <-ch:
		return s
	case <-time.After(time.Minute):
		t.Fatal("nothing came within 10s")
		return seen{}
	}
}

func none(t *testing.T, ch <-chan seen) {
	t.Helper()
	select {
	case s := <-ch:
		t.Fatalf("unexpected: %+v", s)
	default:
	}
}

func TestWatchResumesAfterAnEvent(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, _ := newBreaker(t, breaker.Settings{})
	for range 3 {
		must(b.Open(ctx, breaker.OpenOptions{}))(t)
		must(b.Close(ctx, breaker.CloseOptions{}))(t)
	}
	events := must(b.History(ctx, breaker.Filter{}))(t)
	ch := watch(t, b, events[1].ID)
	for epoch := int64(3); epoch <= 6; epoch++ {
		if e := next(t, ch); e.err != nil || e.Epoch != epoch {
			t.Fatalf("epoch %d: %+v", epoch, e)
		}
	}
	must(b.Open(ctx, breaker.OpenOptions{Reason: "later"}))(t)
	if e := next(t, ch); e.Epoch != 7 || e.Reason != "later" || e.Kind != breaker.EventOpened {
		t.Errorf("%+v", e)
	}
}

func TestWatchFindsWhatPythonWroteAndTellsItOnce(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{PollInterval: 10 * time.Millisecond})
	ch := watch(t, b, "0-0")
	write(t, c, pythonOpen, time.Hour)
	e := next(t, ch)
	if e.Kind != breaker.EventOpened || e.Source != breaker.SourcePython || e.Epoch != 0 || e.ID != "" || e.ErrorType != "http_5xx" || e.Previous != breaker.Closed {
		t.Errorf("found: %+v", e)
	}
	must(b.Adopt(ctx, 0))(t)
	must(b.Close(ctx, breaker.CloseOptions{}))(t)
	if e := next(t, ch); e.Kind != breaker.EventClosed || e.Epoch != 2 {
		t.Errorf("after the adoption: %+v", e)
	}
	// Opened and closed by Python, unadopted.
	write(t, c, pythonOpen, 0)
	if e := next(t, ch); e.State != breaker.Open {
		t.Errorf("%+v", e)
	}
	write(t, c, `{"state": "closed"}`, 0)
	if e := next(t, ch); e.State != breaker.Closed || e.Previous != breaker.Open {
		t.Errorf("%+v", e)
	}
	none(t, ch)
}

func TestWatchSurvivesARestartedServer(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	server := testenv.StartRedis(t)
	c := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { c.Close() })
	b := newOn(t, c, breaker.Settings{PollInterval: 10 * time.Millisecond})
	must(b.Open(ctx, breaker.OpenOptions{}))(t)
	ch := watch(t, b, "0-0")
	if e := next(t, ch); e.Epoch != 1 {
		t.Fatalf("%+v", e)
	}
	server.Stop()
	if e := next(t, ch); e.err == nil {
		t.Fatalf("no error for a stopped server: %+v", e)
	}
	if err := server.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server answers", func() bool { return c.Ping(ctx).Err() == nil })
	must(b.Open(ctx, breaker.OpenOptions{Reason: "again", EpochFloor: 1}))(t)
	if e := next(t, ch); e.err != nil || e.Epoch != 2 || e.Reason != "again" {
		t.Errorf("%+v", e)
	}
}

func TestWatchKeepsTheOrderUnderManyWriters(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{PollInterval: 5 * time.Millisecond})
	ch := watch(t, b, "0-0")
	const writers, rounds = 8, 25
	errs := make(chan error, writers)
	for w := range writers {
		own := newOn(t, c, breaker.Settings{})
		go func() {
			for range rounds {
				if _, err := own.Open(ctx, breaker.OpenOptions{Actor: fmt.Sprint(w)}); err != nil {
					errs <- err
					return
				}
				if _, err := own.Close(ctx, breaker.CloseOptions{}); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range writers {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	last := must(b.State(ctx))(t).Epoch
	for epoch := int64(1); epoch <= last; epoch++ {
		if e := next(t, ch); e.err != nil || e.Epoch != epoch {
			t.Fatalf("epoch %d: %+v", epoch, e)
		}
	}
	none(t, ch)
}

// A server that took over with a clock behind gives out smaller IDs.
func TestWatchBeginsAgainWhereTheStreamDid(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, _ := newBreaker(t, breaker.Settings{PollInterval: 10 * time.Millisecond})
	must(b.Open(ctx, breaker.OpenOptions{}))(t)
	ch := watch(t, b, "9999999999999-0")
	if e := next(t, ch); e.err != nil || e.Epoch != 1 {
		t.Fatalf("%+v", e)
	}
	must(b.Close(ctx, breaker.CloseOptions{}))(t)
	if e := next(t, ch); e.err != nil || e.Epoch != 2 {
		t.Fatalf("%+v", e)
	}
	none(t, ch)
}

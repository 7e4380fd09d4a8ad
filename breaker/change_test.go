package breaker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leadgenctl/leadgenctl/breaker"
)

var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

// clockAt returns a clock that moves one second a call.
func clockAt(t time.Time) func() time.Time {
	return func() time.Time { now := t; t = t.Add(time.Second); return now }
}

func TestOpenWritesWhatTheAppReads(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{Now: clockAt(noon)})
	tr := must(b.Open(ctx, breaker.OpenOptions{Reason: "café \"down\"", Service: "apollo", Actor: "eve@host"}))(t)
	if !tr.Changed || tr.Previous != breaker.Closed || tr.State != breaker.Open || tr.Epoch != 1 || !tr.OpenedAt.Equal(noon) {
		t.Errorf("transition: %+v", tr)
	}
	const want = `{"state": "open", "opened_at": "2026-01-05T12:00:00", "closed_at": null, "metadata": {"last_error": "caf\u00e9 \"down\"", "error_type": "manual", "failed_at": "2026-01-05T12:00:00", "service": "apollo", "reason": "caf\u00e9 \"down\"", "opened_by": "eve@host", "epoch": 1}}`
	if got := c.Get(ctx, breaker.DefaultKey).Val(); got != want {
		t.Error(cmp.Diff(want, got))
	}
	if ttl := c.TTL(ctx, breaker.DefaultKey).Val(); ttl != -1 {
		t.Errorf("time to live %v", ttl)
	}
	tr = must(b.Close(ctx, breaker.CloseOptions{Reason: "fixed", Actor: "bob@host"}))(t)
	if !tr.Changed || tr.Previous != breaker.Open || tr.State != breaker.Closed || tr.Epoch != 2 || !tr.ClosedAt.Equal(noon.Add(time.Second)) {
		t.Errorf("transition: %+v", tr)
	}
	const closed = `{"state": "closed", "opened_at": "2026-01-05T12:00:00", "closed_at": "2026-01-05T12:00:01", "metadata": {"manually_closed_at": "2026-01-05T12:00:01", "closed_by": "bob@host", "reason": "fixed", "epoch": 2}}`
	if got := c.Get(ctx, breaker.DefaultKey).Val(); got != closed {
		t.Error(cmp.Diff(closed, got))
	}
}

func TestSecondOpenAndCloseChangeNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{Now: clockAt(noon)})
	if tr := must(b.Close(ctx, breaker.CloseOptions{}))(t); tr.Changed || tr.State != breaker.Closed || tr.Epoch != 0 {
		t.Errorf("close of a breaker that was never open: %+v", tr)
	}
	must(b.Open(ctx, breaker.OpenOptions{Reason: "first"}))(t)
	before := c.Get(ctx, breaker.DefaultKey).Val()
	tr := must(b.Open(ctx, breaker.OpenOptions{Reason: "second"}))(t)
	if tr.Changed || tr.Reason != "first" || tr.Epoch != 1 || tr.Previous != breaker.Open {
		t.Errorf("second open: %+v", tr)
	}
	if after := c.Get(ctx, breaker.DefaultKey).Val(); after != before {
		t.Errorf("the second open rewrote the value: %s", after)
	}
	if n := c.XLen(ctx, b.Keys().Events).Val(); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

func TestFurtherFailuresKeepTheFirstCause(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{Now: clockAt(noon)})
	must(b.RecordFailure(ctx, errors.New("502 Bad Gateway"), breaker.ForService("apollo"), breaker.OfType("http_5xx")))(t)
	value := c.Get(ctx, breaker.DefaultKey).Val()
	for range 3 {
		must(b.RecordFailure(ctx, context.DeadlineExceeded, breaker.ForService("openai")))(t)
	}
	st := must(b.State(ctx))(t)
	if st.State != breaker.Open || st.Reason != "502 Bad Gateway" || st.Service != "apollo" || st.ErrorType != "http_5xx" || !st.OpenedAt.Equal(noon) || st.Epoch != 1 {
		t.Errorf("the cause: %+v", st)
	}
	want := breaker.Failure{Service: "openai", Error: "context deadline exceeded", ErrorType: "timeout", At: noon.Add(3 * time.Second)}
	if st.Failures != 4 || st.LastFailure != want {
		t.Errorf("%d failures, last %+v", st.Failures, st.LastFailure)
	}
	if now := c.Get(ctx, breaker.DefaultKey).Val(); now != value {
		t.Errorf("a further failure rewrote the value: %s", now)
	}
}

func TestEachChangeIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{})
	must(b.Open(ctx, breaker.OpenOptions{}))(t) // the server learns the scripts
	must(b.Close(ctx, breaker.CloseOptions{}))(t)
	must(b.State(ctx))(t)
	count := &roundTrips{}
	c.AddHook(count)
	for name, do := range map[string]func() error{
		"failure": func() error { _, err := b.RecordFailure(ctx, errors.New("x")); return err },
		"open":    func() error { _, err := b.Open(ctx, breaker.OpenOptions{}); return err },
		"close":   func() error { _, err := b.Close(ctx, breaker.CloseOptions{}); return err },
		"state":   func() error { _, err := b.State(ctx); return err },
	} {
		count.n.Store(0)
		if err := do(); err != nil {
			t.Fatal(err)
		}
		if n := count.n.Load(); n != 1 {
			t.Errorf("%s: %d round trips, want 1", name, n)
		}
	}
}

package breaker_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
)

const pythonOpen = `{"state": "open", "opened_at": "2026-01-05T10:20:41.870963", "closed_at": null, "metadata": {"last_error": "Apollo 502 Bad Gateway", "error_type": "http_5xx", "failed_at": "2026-01-05T10:20:41.870963"}}`

func TestAdoptGivesAPythonChangeAnEpoch(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{Now: clockAt(noon)})
	write(t, c, pythonOpen, 24*time.Hour)

	st := must(b.State(ctx))(t)
	if st.State != breaker.Open || !st.Pending || !st.External || st.Epoch != 0 || st.TTL < 23*time.Hour || st.Reason != "Apollo 502 Bad Gateway" || st.Source != breaker.SourcePython {
		t.Errorf("before: %+v", st)
	}
	tr := must(b.Adopt(ctx, 41))(t)
	if tr.Changed || tr.Adopted == nil || tr.Adopted.Epoch != 42 || tr.Adopted.Source != breaker.SourcePython || !tr.Persisted || tr.State != breaker.Open {
		t.Errorf("adopted: %+v", tr)
	}
	if got := c.Get(ctx, breaker.DefaultKey).Val(); got != pythonOpen {
		t.Errorf("the app's bytes were changed: %s", got)
	}
	st = must(b.State(ctx))(t)
	if st.Pending || st.External || st.Epoch != 42 || st.TTL != 0 || st.Failures != 1 || st.LastFailure.ErrorType != "http_5xx" {
		t.Errorf("after: %+v", st)
	}
	if tr := must(b.Adopt(ctx, 41))(t); tr.Adopted != nil || tr.Persisted || tr.Epoch != 42 {
		t.Errorf("a second time: %+v", tr)
	}
}

func TestAdoptKeepsTheFirstOpenedAt(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{Now: clockAt(noon)})
	write(t, c, pythonOpen, 0)
	must(b.Adopt(ctx, 0))(t)
	// A further failure seen by a Python worker: it renews opened_at and sets a time to live.
	write(t, c, `{"state": "open", "opened_at": "2026-01-05T11:00:00", "closed_at": null, "metadata": {"last_error": "at 2026-01-05T11:00:00", "error_type": "timeout", "failed_at": "2026-01-05T11:00:00"}, "note": "kept"}`, time.Hour)
	tr := must(b.Adopt(ctx, 0))(t)
	if !tr.OpenedAtReset || !tr.Persisted && c.TTL(ctx, breaker.DefaultKey).Val() != -1 || tr.Epoch != 1 {
		t.Errorf("transition: %+v", tr)
	}
	const want = `{"state": "open", "opened_at": "2026-01-05T10:20:41.870963", "closed_at": null, "metadata": {"last_error": "at 2026-01-05T11:00:00", "error_type": "timeout", "failed_at": "2026-01-05T11:00:00"}, "note": "kept"}`
	if got := c.Get(ctx, breaker.DefaultKey).Val(); got != want {
		t.Errorf("value: %s", got)
	}
	st := must(b.State(ctx))(t)
	if st.Reason != "Apollo 502 Bad Gateway" || st.Failures != 2 || st.LastFailure.ErrorType != "timeout" || st.TTL != 0 {
		t.Errorf("status: %+v", st)
	}
	// The app's success path writes the same metadata again, with a time to live.
	write(t, c, strings.Replace(want, "kept", "changed", 1), time.Hour)
	if tr := must(b.Adopt(ctx, 0))(t); tr.Failures != 2 || !tr.Persisted || tr.Adopted != nil {
		t.Errorf("after a success: %+v", tr)
	}
}

func TestALostKeyDoesNotClose(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, mend := range map[string]func(*breaker.Breaker) (breaker.Transition, error){
		"open": func(b *breaker.Breaker) (breaker.Transition, error) { return b.Open(ctx, breaker.OpenOptions{}) },
		"failure": func(b *breaker.Breaker) (breaker.Transition, error) {
			return b.RecordFailure(ctx, context.DeadlineExceeded)
		},
		"adopt": func(b *breaker.Breaker) (breaker.Transition, error) { return b.Adopt(ctx, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, c := newBreaker(t, breaker.Settings{Now: clockAt(noon)})
			must(b.Open(ctx, breaker.OpenOptions{Reason: "r", Service: "apollo"}))(t)
			value := c.Get(ctx, breaker.DefaultKey).Val()
			c.Del(ctx, breaker.DefaultKey)
			st := must(b.State(ctx))(t)
			if st.State != breaker.Open || !st.Lost || st.Exists || st.Record.Metadata.Text(breaker.MetaService) != "apollo" || b.Allow() {
				t.Errorf("lost: %+v", st)
			}
			tr := must(mend(b))(t)
			if tr.Changed || !tr.Restored || tr.Epoch != 1 {
				t.Errorf("transition: %+v", tr)
			}
			if got := c.Get(ctx, breaker.DefaultKey).Val(); got != value {
				t.Errorf("value %s, want %s", got, value)
			}
			events := must(b.History(ctx, breaker.Filter{}))(t)
			if len(events) != 2 || events[1].Kind != breaker.EventRestored || events[1].Epoch != 1 {
				t.Errorf("events: %+v", events)
			}
		})
	}
	t.Run("close", func(t *testing.T) {
		t.Parallel()
		b, c := newBreaker(t, breaker.Settings{})
		must(b.Open(ctx, breaker.OpenOptions{}))(t)
		c.Del(ctx, breaker.DefaultKey)
		if tr := must(b.Close(ctx, breaker.CloseOptions{}))(t); !tr.Changed || tr.Epoch != 2 || tr.State != breaker.Closed {
			t.Errorf("%+v", tr)
		}
	})
}

func TestAForeignCloseIsAdoptedBeforeTheNextOpen(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{Now: clockAt(noon)})
	must(b.Open(ctx, breaker.OpenOptions{Reason: "one"}))(t)
	write(t, c, `{"state":"closed","opened_at":null,"closed_at":"2026-01-05T12:30:00","metadata":{"closed_by":"alice","manually_closed_at":"2026-01-05T12:30:00"}}`, time.Hour)
	tr := must(b.Open(ctx, breaker.OpenOptions{Reason: "two"}))(t)
	if !tr.Changed || tr.Epoch != 3 || tr.Adopted == nil || tr.Adopted.Epoch != 2 || tr.Adopted.Actor != "alice" || tr.Adopted.State != breaker.Closed {
		t.Errorf("%+v, adopted %+v", tr, tr.Adopted)
	}
}

func TestRestoreAfterRedisWasEmptied(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{Now: clockAt(noon)})
	last := breaker.Durable{State: breaker.Open, Epoch: 17, At: noon.Add(-time.Hour), OpenedAt: noon.Add(-time.Hour), Reason: "apollo down", Service: "apollo", Actor: "eve@host", Source: breaker.SourceLeadgenctl}
	tr := must(b.Restore(ctx, last))(t)
	if !tr.Restored || tr.Changed || tr.State != breaker.Open || tr.Epoch != 17 || !tr.OpenedAt.Equal(last.OpenedAt) {
		t.Errorf("%+v", tr)
	}
	if tr := must(b.Restore(ctx, last))(t); tr.Restored || tr.Epoch != 17 {
		t.Errorf("a second time: %+v", tr)
	}
	st := must(b.State(ctx))(t)
	if st.External || st.Lost || st.Service != "apollo" || st.Actor != "eve@host" || c.TTL(ctx, breaker.DefaultKey).Val() != -1 {
		t.Errorf("%+v", st)
	}
	if tr := must(b.Close(ctx, breaker.CloseOptions{}))(t); tr.Epoch != 18 {
		t.Errorf("%+v", tr)
	}
	if tr := must(b.Restore(ctx, last))(t); tr.Restored || tr.State != breaker.Closed || tr.Epoch != 18 {
		t.Errorf("an old record: %+v", tr)
	}
}

func TestRestoreMeetsWhatWasWrittenMeanwhile(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	open17 := breaker.Durable{State: breaker.Open, Epoch: 17, At: noon, OpenedAt: noon, Reason: "r"}
	closed17 := breaker.Durable{State: breaker.Closed, Epoch: 17, At: noon, OpenedAt: noon.Add(-time.Hour), ClosedAt: noon}
	later := breaker.Settings{Now: clockAt(noon.Add(time.Hour))}
	t.Run("Python opened too: the first opened_at counts", func(t *testing.T) {
		t.Parallel()
		b, c := newBreaker(t, breaker.Settings{Now: clockAt(noon)})
		write(t, c, `{"state": "open", "opened_at": "2026-01-05T12:10:00", "closed_at": null, "metadata": {}}`, time.Hour)
		tr := must(b.Restore(ctx, open17))(t)
		if tr.Epoch != 17 || !tr.OpenedAt.Equal(noon) || !tr.OpenedAtReset {
			t.Errorf("%+v", tr)
		}
	})
	t.Run("a Go service opened it again from 1: renumbered, still open", func(t *testing.T) {
		t.Parallel()
		b, _ := newBreaker(t, later)
		must(b.Open(ctx, breaker.OpenOptions{}))(t)
		tr := must(b.Restore(ctx, closed17))(t)
		if tr.State != breaker.Open || tr.Epoch != 18 || !tr.Renumbered || tr.Restored {
			t.Errorf("%+v", tr)
		}
	})
	t.Run("the same on a clock that is behind: still open", func(t *testing.T) {
		t.Parallel()
		b, c := newBreaker(t, breaker.Settings{Now: clockAt(noon.Add(-time.Minute))})
		must(b.Open(ctx, breaker.OpenOptions{}))(t)
		tr := must(b.Restore(ctx, closed17))(t)
		if tr.State != breaker.Open || tr.Epoch != 18 {
			t.Errorf("%+v", tr)
		}
		if v := c.Get(ctx, breaker.DefaultKey).Val(); must(breaker.DecodeRecord([]byte(v)))(t).State != breaker.Open {
			t.Error(v)
		}
	})
	t.Run("a person closed it again from 1: renumbered, still closed", func(t *testing.T) {
		t.Parallel()
		b, _ := newBreaker(t, breaker.Settings{Now: clockAt(noon.Add(time.Hour))})
		must(b.Open(ctx, breaker.OpenOptions{}))(t)
		must(b.Close(ctx, breaker.CloseOptions{}))(t)
		tr := must(b.Restore(ctx, open17))(t)
		if tr.State != breaker.Closed || tr.Epoch != 18 || tr.Restored || !tr.Renumbered {
			t.Errorf("%+v", tr)
		}
	})
	t.Run("failed over to a lagging replica: the durable open wins", func(t *testing.T) {
		t.Parallel()
		b, c := newBreaker(t, breaker.Settings{Now: clockAt(noon.Add(-time.Hour))})
		must(b.Open(ctx, breaker.OpenOptions{}))(t)
		must(b.Close(ctx, breaker.CloseOptions{}))(t)
		tr := must(b.Restore(ctx, open17))(t)
		if tr.State != breaker.Open || tr.Epoch != 17 || !tr.Restored {
			t.Errorf("%+v", tr)
		}
		if v := c.Get(ctx, breaker.DefaultKey).Val(); must(breaker.DecodeRecord([]byte(v)))(t).State != breaker.Open {
			t.Error(v)
		}
	})
	t.Run("Python closed it: adopted", func(t *testing.T) {
		t.Parallel()
		b, c := newBreaker(t, breaker.Settings{Now: clockAt(noon)})
		write(t, c, `{"state": "closed", "closed_at": "2026-01-05T12:10:00"}`, 0)
		tr := must(b.Restore(ctx, open17))(t)
		if tr.State != breaker.Closed || tr.Epoch != 18 || tr.Adopted == nil {
			t.Errorf("%+v", tr)
		}
	})
}

func TestALostLedgerIsRebuiltFromTheValue(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{Now: clockAt(noon)})
	must(b.Open(ctx, breaker.OpenOptions{Reason: "r", Actor: "eve"}))(t)
	c.Del(ctx, b.Keys().Ledger)
	if st := must(b.State(ctx))(t); st.Epoch != 1 || st.Pending || st.Actor != "eve" {
		t.Errorf("%+v", st)
	}
	tr := must(b.Adopt(ctx, 1))(t)
	if tr.Epoch != 1 || tr.Adopted != nil || tr.Actor != "eve" || tr.State != breaker.Open {
		t.Errorf("%+v", tr)
	}
}

// A client that lost the answer sends the script again: it is told what it did.
func TestARepeatedCallIsAnsweredAsTheFirst(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{})
	c.AddHook(repeat{})
	if tr := must(b.Open(ctx, breaker.OpenOptions{}))(t); !tr.Changed || tr.Epoch != 1 || tr.Previous != breaker.Closed {
		t.Errorf("%+v", tr)
	}
	if n := c.XLen(ctx, b.Keys().Events).Val(); n != 1 {
		t.Errorf("%d events", n)
	}
}

// repeat sends each script twice and keeps the second answer.
type repeat struct{ redis.Hook }

func (repeat) DialHook(next redis.DialHook) redis.DialHook { return next }
func (repeat) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
func (repeat) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "evalsha" || cmd.Name() == "eval" {
			if err := next(ctx, cmd); err != nil {
				return err
			}
		}
		return next(ctx, cmd)
	}
}

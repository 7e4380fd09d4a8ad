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
	ch, _ := watchFrom(t, b, &breaker.Position{After: after})
	return ch
}

// watchFrom is watch from a position; what it returns ends it, so that the position may be read.
func watchFrom(t *testing.T, b *breaker.Breaker, at *breaker.Position) (<-chan seen, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ch, done := make(chan seen, 1000), make(chan struct{})
	go func() {
		defer close(done)
		for e, err := range b.WatchFrom(ctx, at) {
			ch <- seen{e, err}
		}
	}()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	return ch, stop
}

func next(t *testing.T, ch <-chan seen) seen {
	t.Helper()
	select {
	case s := <-ch:
		return s
	case <-time.After(time.Minute):
		t.Fatal("nothing came within a minute")
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
	if e := next(t, ch); e.Kind != breaker.EventLost || e.Epoch != 1 { // it came back empty
		t.Fatalf("%+v", e)
	}
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

// A server that took over without the last events has nothing that was not told before;
// that it does not know of the opening is a loss.
func TestWatchRepeatsNothingAfterAFailover(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{PollInterval: 10 * time.Millisecond})
	ch := watch(t, b, "0-0")
	must(b.Open(ctx, breaker.OpenOptions{Reason: "first"}))(t)
	must(b.Close(ctx, breaker.CloseOptions{Reason: "back"}))(t)
	next(t, ch)
	next(t, ch)
	replica := dump(t, c, b.Keys())
	must(b.Open(ctx, breaker.OpenOptions{Reason: "second"}))(t)
	next(t, ch)
	replica()
	if e := next(t, ch); e.Kind != breaker.EventLost || e.Epoch != 3 || e.Reason != "second" {
		t.Fatalf("%+v", e)
	}
	none(t, ch)
	must(b.Restore(ctx, breaker.Durable{State: breaker.Open, Epoch: 3, At: time.Now(), OpenedAt: noon, Reason: "second"}))(t)
	if e := next(t, ch); e.Kind != breaker.EventRestored || e.Epoch != 3 {
		t.Fatalf("%+v", e)
	}
	replica = dump(t, c, b.Keys())
	must(b.Close(ctx, breaker.CloseOptions{}))(t)
	next(t, ch)
	replica()
	if e := next(t, ch); e.Kind != breaker.EventOpened || e.Epoch != 3 {
		t.Fatalf("%+v", e)
	}
	must(b.Close(ctx, breaker.CloseOptions{Reason: "again"}))(t) // gets the number of the one that was lost
	if e := next(t, ch); e.Kind != breaker.EventClosed || e.Epoch != 4 || e.Reason != "again" {
		t.Fatalf("%+v", e)
	}
	none(t, ch)
}

// dump keeps what the breaker's keys hold, for what it returns to put back.
func dump(t *testing.T, c redis.UniversalClient, k breaker.Keys) (restore func()) {
	ctx, p := context.Background(), c.TxPipeline()
	for _, key := range []string{k.Breaker, k.Ledger, k.Events} {
		p.RestoreReplace(ctx, key, 0, must(c.Dump(ctx, key).Result())(t))
	}
	return func() { must(p.Exec(ctx))(t) }
}

const pythonLater = `{"state": "open", "opened_at": "2026-01-05T12:00:00", "closed_at": null, "metadata": {"last_error": "OpenAI timeout", "error_type": "timeout", "failed_at": "2026-01-05T12:00:00"}}`

// What Python wrote over the same state again is told by what it wrote, not by the ledger.
func TestWatchTellsWhatAnotherProgramWrote(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{PollInterval: 10 * time.Millisecond})
	ch := watch(t, b, "0-0")
	must(b.Open(ctx, breaker.OpenOptions{Reason: "maintenance", Service: "instantly", Actor: "eve"}))(t)
	next(t, ch)
	write(t, c, `{"state": "closed"}`, time.Hour)
	next(t, ch)
	write(t, c, pythonLater, time.Hour)
	e := next(t, ch)
	if e.Kind != breaker.EventOpened || e.Reason != "OpenAI timeout" || e.Service != "" || e.Actor != "" || e.ErrorType != "timeout" || !e.At.Equal(noon) || e.Epoch != 0 {
		t.Errorf("%+v", e)
	}
	// For the ledger it is a further failure: the first cause stays, and the failure is told.
	if st := must(b.State(ctx))(t); st.Reason != "maintenance" || st.Failures != 1 || st.LastFailure.Error != "OpenAI timeout" {
		t.Errorf("%+v", st)
	}
}

// A loss is not a closing: told once, also over a restart, and so is what puts it back.
func TestWatchTellsALoss(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, c := range map[string]struct {
		python string // written over a closed breaker; "" for one that is opened here
		lose   func(c redis.UniversalClient, k breaker.Keys)
		want   breaker.Event
		mend   func(t *testing.T, b *breaker.Breaker, c redis.UniversalClient)
		after  breaker.EventKind
	}{
		"the key": {"", func(c redis.UniversalClient, k breaker.Keys) { c.Del(ctx, k.Breaker) },
			breaker.Event{Epoch: 3, Reason: "down"}, func(t *testing.T, b *breaker.Breaker, _ redis.UniversalClient) { must(b.Adopt(ctx, 0))(t) }, breaker.EventRestored},
		"everything": {"", func(c redis.UniversalClient, k breaker.Keys) { c.Del(ctx, k.Breaker, k.Ledger, k.Events) },
			breaker.Event{Epoch: 3, Reason: "down"}, func(t *testing.T, b *breaker.Breaker, _ redis.UniversalClient) {
				must(b.Restore(ctx, breaker.Durable{State: breaker.Open, Epoch: 3, At: noon, OpenedAt: noon, Reason: "down"}))(t)
			}, breaker.EventRestored},
		"what Python wrote": {pythonLater, func(c redis.UniversalClient, k breaker.Keys) { c.PExpire(ctx, k.Breaker, time.Millisecond) },
			breaker.Event{Reason: "OpenAI timeout"}, func(t *testing.T, _ *breaker.Breaker, c redis.UniversalClient) { write(t, c, pythonLater, 0) }, breaker.EventOpened},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, client := newBreaker(t, breaker.Settings{PollInterval: 10 * time.Millisecond})
			must(b.Open(ctx, breaker.OpenOptions{}))(t)
			must(b.Close(ctx, breaker.CloseOptions{Reason: "the closing before"}))(t)
			at := &breaker.Position{After: must(b.History(ctx, breaker.Filter{}))(t)[1].ID}
			ch, stop := watchFrom(t, b, at)
			if c.python == "" {
				must(b.Open(ctx, breaker.OpenOptions{Reason: "down"}))(t)
			} else {
				write(t, client, c.python, time.Hour)
			}
			if e := next(t, ch); e.State != breaker.Open {
				t.Fatalf("%+v", e)
			}
			c.lose(client, b.Keys())
			if e := next(t, ch); e.Kind != breaker.EventLost || e.Epoch != c.want.Epoch || e.Reason != c.want.Reason || e.Transition() {
				t.Fatalf("%+v", e)
			}
			stop()
			ch, _ = watchFrom(t, b, at)
			c.mend(t, b, client)
			if e := next(t, ch); e.Kind != c.after {
				t.Fatalf("%+v", e)
			}
			must(b.Close(ctx, breaker.CloseOptions{}))(t)
			if e := next(t, ch); e.Kind != breaker.EventClosed {
				t.Fatalf("%+v", e)
			}
			none(t, ch)
		})
	}
}

// Why a lost key was put back is not why the breaker is open.
func TestWatchTellsALossWithItsCause(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{PollInterval: 10 * time.Millisecond})
	ch, k := watch(t, b, "0-0"), b.Keys()
	must(b.Open(ctx, breaker.OpenOptions{Reason: "down"}))(t)
	next(t, ch)
	c.Del(ctx, k.Breaker)
	must(b.Adopt(ctx, 0))(t)
	for e := next(t, ch); e.Kind != breaker.EventRestored; e = next(t, ch) {
	}
	c.Del(ctx, k.Breaker, k.Ledger, k.Events)
	if e := next(t, ch); e.Kind != breaker.EventLost || e.Reason != "down" {
		t.Errorf("%+v", e)
	}
}

// What Python opens again after a loss is told, also where it is recorded at once.
func TestWatchTellsAnOpeningAfterALoss(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{PollInterval: 10 * time.Millisecond})
	at := &breaker.Position{After: "0-0"}
	ch, stop := watchFrom(t, b, at)
	write(t, c, pythonLater, time.Hour)
	next(t, ch)
	c.Del(ctx, b.Keys().Breaker)
	if e := next(t, ch); e.Kind != breaker.EventLost {
		t.Fatalf("%+v", e)
	}
	stop()
	write(t, c, pythonLater, time.Hour)
	must(b.Adopt(ctx, 0))(t)
	ch, _ = watchFrom(t, b, at)
	if e := next(t, ch); e.Kind != breaker.EventOpened || e.Epoch != 1 {
		t.Errorf("%+v", e)
	}
	none(t, ch)
}

// A closing that Python wrote and nobody recorded stays one when its key expires.
func TestWatchKnowsAnUnrecordedClosing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{PollInterval: 10 * time.Millisecond})
	ch := watch(t, b, "0-0")
	must(b.Open(ctx, breaker.OpenOptions{}))(t)
	next(t, ch)
	write(t, c, `{"state": "closed"}`, time.Hour)
	next(t, ch)
	c.Del(ctx, b.Keys().Breaker)
	must(b.Adopt(ctx, 0))(t)
	if e := next(t, ch); e.Kind != breaker.EventRestored {
		t.Errorf("%+v", e)
	}
}

// A foreign change that was told is told once, over a restart and its adoption.
func TestWatchFromRepeatsNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{PollInterval: 10 * time.Millisecond})
	at := &breaker.Position{After: "0-0"}
	ch, stop := watchFrom(t, b, at)
	write(t, c, pythonOpen, time.Hour)
	next(t, ch)
	stop()
	ch, stop = watchFrom(t, b, at)
	write(t, c, `{"state": "closed"}`, time.Hour) // the next event: nothing was repeated before it
	if e := next(t, ch); e.Kind != breaker.EventClosed {
		t.Errorf("%+v", e)
	}
	write(t, c, pythonLater, time.Hour)
	next(t, ch)
	stop()
	must(b.Adopt(ctx, 0))(t)
	ch, _ = watchFrom(t, b, at)
	must(b.Close(ctx, breaker.CloseOptions{}))(t)
	if e := next(t, ch); e.Kind != breaker.EventClosed || e.Epoch != 2 {
		t.Errorf("%+v", e)
	}
}

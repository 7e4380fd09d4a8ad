package breaker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
)

func TestImportWritesStateAndHistoryAtOnce(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{Now: clockAt(noon)})
	first := noon.Add(-2 * time.Hour)
	r := breaker.Record{State: breaker.Open, OpenedAt: first}
	r.Metadata.Set("services", map[string]int{"apollo": 2})
	o := breaker.ImportOptions{Record: r, Service: "apollo", Reason: "502", Actor: "eve", Events: []breaker.Event{
		{Kind: breaker.EventLegacyFailure, At: first, Service: "apollo", ErrorType: "http_5xx", Source: "legacy", Details: `{"n": 1}`},
		{Kind: breaker.EventLegacyPaused, At: first.Add(time.Minute), Service: "apollo", Source: "legacy"},
	}}
	tr := must(b.Import(ctx, o))(t)
	if !tr.Changed || tr.Epoch != 1 || tr.Source != breaker.SourceMigrateState || !tr.OpenedAt.Equal(first) {
		t.Errorf("%+v", tr)
	}
	const want = `{"state": "open", "opened_at": "2026-01-05T10:00:00", "closed_at": null, "metadata": {"services": {"apollo": 2}, "epoch": 1}}`
	if got := c.Get(ctx, breaker.DefaultKey).Val(); got != want {
		t.Errorf("value %s", got)
	}
	events := must(b.History(ctx, breaker.Filter{}))(t)
	if len(events) != 3 || !events[0].At.Equal(first) || events[0].Details != `{"n": 1}` || events[0].Epoch != 0 || events[2].Kind != breaker.EventOpened || !events[2].At.Equal(noon) {
		t.Errorf("%+v", events)
	}
	if e := must(b.History(ctx, breaker.Filter{Since: first.Add(time.Second), Service: "apollo", Limit: 1}))(t); len(e) != 1 || e[0].Kind != breaker.EventOpened {
		t.Errorf("filtered: %+v", e)
	}

	// Merging the same state: no transition.
	o.Expected, o.Events = []byte(want), nil
	o.Record.OpenedAt = first.Add(-time.Hour)
	if tr := must(b.Import(ctx, o))(t); tr.Changed || tr.Epoch != 1 || !tr.OpenedAt.Equal(first.Add(-time.Hour)) {
		t.Errorf("merged: %+v", tr)
	}
	if st := must(b.State(ctx))(t); st.External || st.Epoch != 1 {
		t.Errorf("%+v", st)
	}

	var conflict *breaker.ConflictError
	if _, err := b.Import(ctx, o); !errors.As(err, &conflict) || len(conflict.Current) == 0 {
		t.Errorf("a changed value: %v", err)
	}
	o.Expected = nil
	if _, err := b.Import(ctx, o); !errors.As(err, &conflict) {
		t.Errorf("expected absent: %v", err)
	}
}

func TestReplacePutsBackTheExactValue(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{})
	must(b.Open(ctx, breaker.OpenOptions{}))(t)
	now := must(b.State(ctx))(t).Raw
	old := []byte(`{"state":"closed", "opened_at":null}`)
	tr := must(b.Replace(ctx, breaker.ReplaceOptions{Expected: now, Value: old, TTL: time.Hour}))(t)
	if !tr.Changed || tr.Epoch != 2 || tr.Source != breaker.SourceRollback {
		t.Errorf("%+v", tr)
	}
	if v, ttl := c.Get(ctx, breaker.DefaultKey).Val(), c.TTL(ctx, breaker.DefaultKey).Val(); v != string(old) || ttl < 59*time.Minute {
		t.Errorf("%s, %v", v, ttl)
	}
	must(b.Open(ctx, breaker.OpenOptions{}))(t)
	now = must(b.State(ctx))(t).Raw
	if tr := must(b.Replace(ctx, breaker.ReplaceOptions{Expected: now}))(t); tr.State != breaker.Closed || tr.Epoch != 4 {
		t.Errorf("%+v", tr)
	}
	if st := must(b.State(ctx))(t); st.Exists || st.Lost || st.State != breaker.Closed {
		t.Errorf("%+v", st)
	}
	var conflict *breaker.ConflictError
	if _, err := b.Replace(ctx, breaker.ReplaceOptions{Expected: now, Value: old}); !errors.As(err, &conflict) || conflict.Current != nil {
		t.Errorf("%v", err)
	}
	var malformed *breaker.MalformedError
	if _, err := b.Replace(ctx, breaker.ReplaceOptions{Value: []byte("x")}); !errors.As(err, &malformed) {
		t.Errorf("%v", err)
	}
}

package breaker_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
)

func TestWhatIsNoBreakerIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	keys := breaker.KeysOf(breaker.DefaultKey)
	for name, c := range map[string]struct {
		put func(redis.UniversalClient) error
		key string
		why string
	}{
		"half open": {func(c redis.UniversalClient) error {
			return c.Set(ctx, keys.Breaker, `{"state": "half_open"}`, 0).Err()
		}, keys.Breaker, "half_open"},
		"not JSON":      {func(c redis.UniversalClient) error { return c.Set(ctx, keys.Breaker, "open", 0).Err() }, keys.Breaker, "not JSON"},
		"no object":     {func(c redis.UniversalClient) error { return c.Set(ctx, keys.Breaker, `["open"]`, 0).Err() }, keys.Breaker, "not a JSON object"},
		"a hash":        {func(c redis.UniversalClient) error { return c.HSet(ctx, keys.Breaker, "state", "open").Err() }, keys.Breaker, "string"},
		"ledger a list": {func(c redis.UniversalClient) error { return c.RPush(ctx, keys.Ledger, "x").Err() }, keys.Ledger, "list|hash"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, client := newBreaker(t, breaker.Settings{})
			if err := c.put(client); err != nil {
				t.Fatal(err)
			}
			before := client.Dump(ctx, c.key).Val()
			for op, do := range map[string]func() error{
				"state":   func() error { _, err := b.State(ctx); return err },
				"open":    func() error { _, err := b.Open(ctx, breaker.OpenOptions{}); return err },
				"close":   func() error { _, err := b.Close(ctx, breaker.CloseOptions{}); return err },
				"failure": func() error { _, err := b.RecordFailure(ctx, errors.New("x")); return err },
				"adopt":   func() error { _, err := b.Adopt(ctx, 3); return err },
			} {
				err := do()
				var m *breaker.MalformedError
				if !errors.As(err, &m) || m.Key != c.key || !containsAny(m.Error(), c.why) {
					t.Errorf("%s: %v", op, err)
				}
			}
			if n := client.DBSize(ctx).Val(); n != 1 || client.Dump(ctx, c.key).Val() != before {
				t.Errorf("something was written: %d keys", n)
			}
		})
	}
}

func containsAny(s, alternatives string) bool {
	for _, a := range strings.Split(alternatives, "|") {
		if strings.Contains(s, a) {
			return true
		}
	}
	return false
}

func TestReplaceMalformedKeepsTheOldValue(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, c := newBreaker(t, breaker.Settings{})
	write(t, c, "rubbish", 0)
	tr := must(b.Open(ctx, breaker.OpenOptions{Reason: "r", ReplaceMalformed: true}))(t)
	if !tr.Changed || string(tr.Replaced) != "rubbish" {
		t.Errorf("%+v", tr)
	}
	if e := must(b.History(ctx, breaker.Filter{}))(t); len(e) != 1 || e[0].Details != "rubbish" {
		t.Errorf("%+v", e)
	}
	write(t, c, "rubbish again", 0)
	if tr := must(b.Close(ctx, breaker.CloseOptions{ReplaceMalformed: true}))(t); !tr.Changed || tr.State != breaker.Closed || tr.Epoch != 2 {
		t.Errorf("%+v", tr)
	}
}

func TestNewRefusesSettingsThatContradict(t *testing.T) {
	t.Parallel()
	_, c := newBreaker(t, breaker.Settings{})
	for name, s := range map[string]breaker.Settings{
		"braces":   {Key: "circuit}{x"},
		"policy":   {Policy: "maybe"},
		"stale":    {PollInterval: 2e9, MaxStale: 1e9},
		"too fast": {PollInterval: 1},
	} {
		if _, err := breaker.New(c, s); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := breaker.New(nil, breaker.Settings{}); err == nil {
		t.Error("no client: accepted")
	}
}

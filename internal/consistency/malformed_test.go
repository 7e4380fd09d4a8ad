package consistency_test

import (
	"context"
	"testing"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/consistency"
)

// A check that cannot read the breaker is an error where LGB002 does not tell of it.
func TestAMalformedBreakerIsNeverAPass(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.set(breaker.DefaultKey, "nonsense", 0)
	for _, id := range ofTheBreaker {
		for _, change := range []func(*consistency.Options){
			func(o *consistency.Options) { o.Only = []string{id} },
			func(o *consistency.Options) { o.Only, o.Skip = []string{id, "LGB002"}, []string{"lgb002"} },
		} {
			if got := find(h.run(change), id); got.Status != consistency.Errored {
				t.Errorf("%+v", got)
			}
		}
	}
}

// What LGB002 advises for a key of the wrong type works.
func TestAKeyOfTheWrongTypeIsSetAside(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := context.Background()
	h.must(h.redis.Client.Del(ctx, breaker.DefaultKey).Err())
	h.must(h.redis.Client.HSet(ctx, breaker.DefaultKey, "state", "open").Err())
	if _, err := h.manager.Open(ctx, breaker.OpenOptions{Reason: "r", ReplaceMalformed: true}); err == nil {
		t.Error("a hash was replaced")
	}
	h.must(h.redis.Client.Rename(ctx, breaker.DefaultKey, breaker.DefaultKey+":set-aside").Err())
	if _, err := h.manager.Open(ctx, breaker.OpenOptions{Reason: "r", ReplaceMalformed: true}); err != nil {
		t.Error(err)
	}
	h.healthy("afterwards")
}

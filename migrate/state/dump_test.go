package state_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

var ctx = context.Background()

// stored is a key by its bytes and the end of its life.
type stored struct {
	dump string
	ends time.Time // zero for never
}

func dumpAll(t testing.TB, client redis.UniversalClient, names ...string) map[string]stored {
	t.Helper()
	all := make(map[string]stored)
	for _, name := range names {
		dump, err := client.Dump(ctx, name).Result()
		if err == redis.Nil {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		s := stored{dump: dump}
		ttl, err := client.PTTL(ctx, name).Result()
		if err != nil {
			t.Fatal(err)
		}
		if ttl > 0 {
			s.ends = time.Now().Add(ttl)
		}
		all[name] = s
	}
	return all
}

// sameKeys fails unless both hold the same bytes with the same end of life, to a second.
func sameKeys(t testing.TB, want, got map[string]stored) {
	t.Helper()
	for name, w := range want {
		g, ok := got[name]
		switch {
		case !ok:
			t.Errorf("%s is gone", name)
		case g.dump != w.dump:
			t.Errorf("%s: its bytes differ", name)
		case g.ends.IsZero() != w.ends.IsZero() || g.ends.Sub(w.ends).Abs() > time.Second:
			t.Errorf("%s: its life ends at %v, not %v", name, g.ends, w.ends)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is there and was not", name)
		}
	}
}

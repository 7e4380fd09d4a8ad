package breaker_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

func TestMain(m *testing.M) {
	if addr := os.Getenv(followVar); addr != "" {
		fmt.Fprintln(os.Stderr, follow(addr))
		os.Exit(1)
	}
	redis.SetLogger(silent{}) // servers that tests stop are no news
	testenv.Main(m)
}

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// newBreaker returns a breaker in a Redis database of the test's own.
func newBreaker(t testing.TB, s breaker.Settings) (*breaker.Breaker, redis.UniversalClient) {
	t.Helper()
	db := testenv.NewRedis(t)
	return newOn(t, db.Client, s), db.Client
}

func newOn(t testing.TB, c redis.UniversalClient, s breaker.Settings) *breaker.Breaker {
	t.Helper()
	b, err := breaker.New(c, s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// must returns v, or ends the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// write puts a value under the breaker's key, as the app does.
func write(t testing.TB, c redis.UniversalClient, value string, ttl time.Duration) {
	t.Helper()
	if err := c.Set(context.Background(), breaker.DefaultKey, value, ttl).Err(); err != nil {
		t.Fatal(err)
	}
}

// eventually polls until ok is true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("did not happen within a minute: %s", what)
		}
	}
}

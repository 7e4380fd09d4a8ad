package breaker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// The question before each call of a service: may it be made?
func BenchmarkAllow(b *testing.B) {
	br, _ := newBreaker(b, breaker.Settings{})
	start(b, br)
	ok := func() error { return nil }
	b.Run("leadgenctl-Allow", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !br.Allow() {
				b.Fatal("denied")
			}
		}
	})
	b.Run("leadgenctl-Do", func(b *testing.B) {
		b.ReportAllocs()
		ctx := context.Background()
		call := func(context.Context) error { return nil }
		for b.Loop() {
			if err := br.Do(ctx, call); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("gobreaker-Execute", func(b *testing.B) {
		b.ReportAllocs()
		cb := gobreaker.NewCircuitBreaker[any](gobreaker.Settings{})
		for b.Loop() {
			if _, err := cb.Execute(func() (any, error) { return nil, nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("failsafe-TryAcquirePermit", func(b *testing.B) {
		b.ReportAllocs()
		cb := circuitbreaker.NewWithDefaults[any]()
		for b.Loop() {
			if !cb.TryAcquirePermit() {
				b.Fatal("denied")
			}
			cb.RecordSuccess()
		}
	})
	b.Run("failsafe-Run", func(b *testing.B) {
		b.ReportAllocs()
		executor := failsafe.With(circuitbreaker.NewWithDefaults[any]())
		for b.Loop() {
			if err := executor.Run(ok); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAllowParallel(b *testing.B) {
	br, _ := newBreaker(b, breaker.Settings{})
	start(b, br)
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if !br.Allow() {
				b.Fail()
			}
		}
	})
}

// What a breaker that is shared through Redis costs where it asks Redis.
func BenchmarkShared(b *testing.B) {
	ctx := context.Background()
	b.Run("leadgenctl-State", func(b *testing.B) {
		br, c := newBreaker(b, breaker.Settings{})
		must(br.State(ctx))(b)
		count := &roundTrips{}
		c.AddHook(count)
		for b.Loop() {
			must(br.State(ctx))(b)
		}
		b.ReportMetric(float64(count.n.Load())/float64(b.N), "roundtrips/op")
	})
	b.Run("leadgenctl-OpenClose", func(b *testing.B) {
		br, c := newBreaker(b, breaker.Settings{})
		must(br.Open(ctx, breaker.OpenOptions{}))(b)
		must(br.Close(ctx, breaker.CloseOptions{}))(b)
		count := &roundTrips{}
		c.AddHook(count)
		n := 0
		for b.Loop() {
			if n++; n%2 == 1 {
				must(br.Open(ctx, breaker.OpenOptions{}))(b)
			} else {
				must(br.Close(ctx, breaker.CloseOptions{}))(b)
			}
		}
		b.ReportMetric(float64(count.n.Load())/float64(b.N), "roundtrips/op")
	})
	b.Run("leadgenctl-RecordFailure-open", func(b *testing.B) {
		br, _ := newBreaker(b, breaker.Settings{})
		failure := errors.New("502 Bad Gateway")
		for b.Loop() {
			must(br.RecordFailure(ctx, failure))(b)
		}
	})
	b.Run("gobreaker-Execute-Redis", func(b *testing.B) {
		_, c := newBreaker(b, breaker.Settings{})
		cb, err := gobreaker.NewDistributedCircuitBreaker[any](lockedStore{c}, gobreaker.Settings{Name: "bench"})
		if err != nil {
			b.Fatal(err)
		}
		count := &roundTrips{}
		c.AddHook(count)
		for b.Loop() {
			if _, err := cb.Execute(func() (any, error) { return nil, nil }); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(count.n.Load())/float64(b.N), "roundtrips/op")
	})
}

// lockedStore is what gobreaker asks of a shared store, with one round trip each.
type lockedStore struct{ c redis.UniversalClient }

func (s lockedStore) Lock(name string) error {
	ok, err := s.c.SetNX(context.Background(), name+":lock", 1, 5*time.Second).Result()
	if err == nil && !ok {
		err = errors.New("locked")
	}
	return err
}

func (s lockedStore) Unlock(name string) error {
	return s.c.Del(context.Background(), name+":lock").Err()
}

func (s lockedStore) GetData(name string) ([]byte, error) {
	data, err := s.c.Get(context.Background(), name).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return data, err
}

func (s lockedStore) SetData(name string, data []byte) error {
	return s.c.Set(context.Background(), name, data, 0).Err()
}

package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/servers"
)

// exampleRedis starts an empty Redis server for one example.
func exampleRedis() (client *redis.Client, stop func()) {
	dir, err := os.MkdirTemp("", "leadgenctl-example-")
	if err != nil {
		log.Fatal(err)
	}
	server, err := servers.StartRedis(context.Background(), dir)
	if err != nil {
		log.Fatal(err)
	}
	client = redis.NewClient(&redis.Options{Addr: server.Addr()})
	return client, func() { client.Close(); server.Stop(); os.RemoveAll(dir) }
}

// How do I protect calls of a third-party service?
func ExampleBreaker_Do() {
	client, stop := exampleRedis()
	defer stop()
	ctx := context.Background()

	b, err := breaker.New(client, breaker.Settings{Service: "apollo"})
	if err != nil {
		log.Fatal(err)
	}
	if err := b.Start(ctx); err != nil {
		log.Print(err) // Redis is away; the policy counts until it answers
	}
	defer b.Stop()

	search := func(context.Context) error { return errors.New("502 Bad Gateway") }
	for range 2 {
		err := b.Do(ctx, search)
		fmt.Println(err, errors.Is(err, breaker.ErrOpen))
	}
	// Output:
	// 502 Bad Gateway false
	// circuit breaker is open true
}

// How do I protect an HTTP client?
func ExampleBreaker_Transport() {
	client, stop := exampleRedis()
	defer stop()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer service.Close()

	b, err := breaker.New(client, breaker.Settings{Service: "openai"})
	if err != nil {
		log.Fatal(err)
	}
	web := &http.Client{Transport: b.Transport(nil)}
	resp, err := web.Get(service.URL)
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	fmt.Println(resp.StatusCode)
	_, err = web.Get(service.URL)
	fmt.Println(errors.Is(err, breaker.ErrOpen))
	// Output:
	// 429
	// true
}

// May I call the service now? (On a hot path, without asking Redis.)
func ExampleBreaker_Allow() {
	client, stop := exampleRedis()
	defer stop()
	ctx := context.Background()
	b, err := breaker.New(client, breaker.Settings{PollInterval: 100 * time.Millisecond, MaxStale: 5 * time.Second, Policy: breaker.PolicyDeny})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("before the first read:", b.Allow())
	if err := b.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer b.Stop()
	fmt.Println("started:", b.Allow())
	// Output:
	// before the first read: false
	// started: true
}

// How do I report a failure that I saw myself?
func ExampleBreaker_RecordFailure() {
	client, stop := exampleRedis()
	defer stop()
	ctx := context.Background()
	b, err := breaker.New(client, breaker.Settings{})
	if err != nil {
		log.Fatal(err)
	}
	t, err := b.RecordFailure(ctx, errors.New("quota used up"), breaker.ForService("instantly"), breaker.OfType("http_429"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(t.Changed, t.State, t.Epoch)
	t, err = b.RecordFailure(ctx, errors.New("quota still used up"), breaker.ForService("instantly"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(t.Changed, t.Reason, t.Failures)
	// Output:
	// true open 1
	// false quota used up 2
}

// Does a success close the breaker? No.
func ExampleBreaker_RecordSuccess() {
	client, stop := exampleRedis()
	defer stop()
	ctx := context.Background()
	b, err := breaker.New(client, breaker.Settings{Hooks: breaker.Hooks{OnSuccess: func(service string) { fmt.Println("success of", service) }}})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := b.Open(ctx, breaker.OpenOptions{Reason: "maintenance"}); err != nil {
		log.Fatal(err)
	}
	b.RecordSuccess(ctx, breaker.ForService("apollo"))
	fmt.Println(b.Allow())
	// Output:
	// success of apollo
	// false
}

// Who opened the breaker, when and why?
func ExampleBreaker_State() {
	client, stop := exampleRedis()
	defer stop()
	ctx := context.Background()
	b, err := breaker.New(client, breaker.Settings{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := b.Open(ctx, breaker.OpenOptions{Reason: "Apollo maintenance", Service: "apollo", Actor: "eve@ops-1"}); err != nil {
		log.Fatal(err)
	}
	st, err := b.State(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(st.State, st.Reason, st.Service, st.Actor, st.Epoch)
	// Output: open Apollo maintenance apollo eve@ops-1 1
}

// How do I stop all calls by hand?
func ExampleBreaker_Open() {
	client, stop := exampleRedis()
	defer stop()
	ctx := context.Background()
	b, err := breaker.New(client, breaker.Settings{Actor: "eve@ops-1"})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		t, err := b.Open(ctx, breaker.OpenOptions{Reason: "Apollo maintenance", Service: "apollo"})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(t.Changed, t.Previous, t.State, t.Epoch)
	}
	// Output:
	// true closed open 1
	// false open open 1
}

// How do I let the calls go on? (Only a person decides that.)
func ExampleBreaker_Close() {
	client, stop := exampleRedis()
	defer stop()
	ctx := context.Background()
	b, err := breaker.New(client, breaker.Settings{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := b.RecordFailure(ctx, errors.New("502 Bad Gateway"), breaker.ForService("apollo")); err != nil {
		log.Fatal(err)
	}
	t, err := b.Close(ctx, breaker.CloseOptions{Reason: "Apollo answers again", Actor: "eve@ops-1"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(t.Previous, t.State, t.Epoch, b.Allow())
	// Output: open closed 2 true
}

// How do I count what happens, for my metrics?
func ExampleHooks() {
	client, stop := exampleRedis()
	defer stop()
	ctx := context.Background()
	counts := map[string]int{}
	b, err := breaker.New(client, breaker.Settings{Service: "apollo", Hooks: breaker.Hooks{
		OnTransition: func(t breaker.Transition) { counts["transitions"]++ },
		OnFailure:    func(f breaker.Failure) { counts["failures_"+f.ErrorType]++ },
		OnRejected:   func(service string) { counts["rejected"]++ },
	}})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		b.Do(ctx, func(context.Context) error { return context.DeadlineExceeded })
	}
	fmt.Println(counts)
	// Output: map[failures_timeout:1 rejected:2 transitions:1]
}

// What did the breaker do?
func ExampleBreaker_History() {
	client, stop := exampleRedis()
	defer stop()
	ctx := context.Background()
	b, err := breaker.New(client, breaker.Settings{Actor: "eve@ops-1"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := b.Open(ctx, breaker.OpenOptions{Reason: "Apollo maintenance"}); err != nil {
		log.Fatal(err)
	}
	if _, err := b.Close(ctx, breaker.CloseOptions{Reason: "done"}); err != nil {
		log.Fatal(err)
	}
	events, err := b.History(ctx, breaker.Filter{Since: time.Now().Add(-time.Hour), Limit: 10})
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range events {
		fmt.Println(e.Epoch, e.Kind, e.Reason, e.Actor)
	}
	// Output:
	// 1 opened Apollo maintenance eve@ops-1
	// 2 closed done eve@ops-1
}

// How do I follow the breaker, and go on after a restart where I was?
func ExampleBreaker_Watch() {
	client, stop := exampleRedis()
	defer stop()
	ctx := context.Background()
	b, err := breaker.New(client, breaker.Settings{})
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		b.Open(ctx, breaker.OpenOptions{Reason: "Apollo maintenance"})
		b.Close(ctx, breaker.CloseOptions{Reason: "done"})
	}()
	last := "0-0" // the ID of the last event that was worked on; "" for only what comes
	for e, err := range b.Watch(ctx, last) {
		if err != nil {
			log.Print(err) // Redis is away; Watch goes on trying
			continue
		}
		fmt.Println(e.Previous, "to", e.State, "because:", e.Reason)
		if last = e.ID; e.State == breaker.Closed {
			break
		}
	}
	// Output:
	// closed to open because: Apollo maintenance
	// open to closed because: done
}

// What do I do with code that still names its service's own breaker?
func ExampleBreaker_RecordServiceFailure() {
	client, stop := exampleRedis()
	defer stop()
	ctx := context.Background()
	b, err := breaker.New(client, breaker.Settings{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := b.RecordServiceFailure(ctx, "perplexity", errors.New("timed out"), "timeout"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(b.AllowService("apollo"))
	// Output: false
}

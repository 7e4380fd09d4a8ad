package testenv

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// OldWorker is a stand-in for the app's old code: it writes the keys of the old
// format, per service, as json.dumps and redis-py wrote them.
type OldWorker struct {
	TB     testing.TB
	Client redis.UniversalClient
}

// Set writes a string key; a ttl of 0 is none.
func (w OldWorker) Set(key, value string, ttl time.Duration) {
	w.TB.Helper()
	if err := w.Client.Set(context.Background(), key, value, ttl).Err(); err != nil {
		w.TB.Fatal(err)
	}
}

// Open writes an open circuit.
func (w OldWorker) Open(service string, at time.Time, lastError, errorType string, count int) {
	w.TB.Helper()
	w.Set("circuit_breaker:"+service, fmt.Sprintf(`{"state": "open", "opened_at": %q, "metadata": {"last_error": %q, "error_type": %q, "failure_count": %d}}`,
		breaker.FormatTimestamp(at), lastError, errorType, count), 600*time.Second)
}

// HalfOpen writes a half-open circuit: going half open loses opened_at and the metadata.
func (w OldWorker) HalfOpen(service string) {
	w.TB.Helper()
	w.Set("circuit_breaker:"+service, `{"state": "half_open", "opened_at": null, "metadata": {}}`, 600*time.Second)
}

// Closed writes a closed circuit.
func (w OldWorker) Closed(service string) {
	w.TB.Helper()
	w.Set("circuit_breaker:"+service, `{"state": "closed", "opened_at": null, "metadata": {}}`, 600*time.Second)
}

// Manual writes a circuit that a person opened.
func (w OldWorker) Manual(service string, at time.Time, reason string) {
	w.TB.Helper()
	w.Set("circuit_breaker:"+service, fmt.Sprintf(`{"state": "open", "opened_at": %q, "metadata": {"manual_pause": true, "reason": %q}}`,
		breaker.FormatTimestamp(at), reason), 600*time.Second)
}

// Fail counts a failure.
func (w OldWorker) Fail(service string, at time.Time, errorType string) {
	w.TB.Helper()
	seconds := float64(at.UnixMicro()) / 1e6
	text, err := json.Marshal(seconds)
	if err != nil {
		w.TB.Fatal(err)
	}
	key := "circuit_failures:" + service
	if err := w.Client.ZAdd(context.Background(), key, redis.Z{Score: seconds, Member: string(text) + ":" + errorType}).Err(); err != nil {
		w.TB.Fatal(err)
	}
	if err := w.Client.Expire(context.Background(), key, 300*time.Second).Err(); err != nil {
		w.TB.Fatal(err)
	}
}

// Success counts n successes, seen while half open.
func (w OldWorker) Success(service string, n int) {
	w.TB.Helper()
	key := "circuit_success:" + service
	for range n {
		if err := w.Client.Incr(context.Background(), key).Err(); err != nil {
			w.TB.Fatal(err)
		}
	}
	if err := w.Client.Expire(context.Background(), key, 60*time.Second).Err(); err != nil {
		w.TB.Fatal(err)
	}
}

// Pause pauses the queue of a service.
func (w OldWorker) Pause(service string, at time.Time) {
	w.TB.Helper()
	w.Set("queue_paused:"+service, fmt.Sprintf(`{"paused_at": %q, "service": %q, "reason": "circuit_breaker_open"}`,
		breaker.FormatTimestamp(at), service), 3600*time.Second)
}

// Platform writes all five services, in every state, at times around base.
func (w OldWorker) Platform(base time.Time) {
	w.TB.Helper()
	w.Fail("apollo", base.Add(-2*time.Second), "http_5xx")
	w.Fail("apollo", base.Add(-time.Second), "http_5xx")
	w.Open("apollo", base, "Apollo 502 Bad Gateway", "http_5xx", 2)
	w.Pause("apollo", base.Add(200*time.Microsecond))
	// Half open: when it failed is known only from the pause and the failures.
	w.Fail("openai", base.Add(-10*time.Second), "timeout")
	w.HalfOpen("openai")
	w.Pause("openai", base.Add(-9*time.Second))
	w.Success("openai", 1)
	// The pause has outlived its circuit.
	w.Pause("perplexity", base.Add(-40*time.Minute))
	w.Manual("instantly", base.Add(-5*time.Minute), "maintenance")
	w.Closed("millionverifier")
	w.Fail("millionverifier", base.Add(-3*time.Second), "http_429")
	// What else is there, and is to be left.
	w.Set("circuit_breaker:apollo:notes", "a note", 0)
	w.Set("circuit_breaker:hunter", `{"state": "closed", "opened_at": null, "metadata": {}}`, 0)
	w.Set("ratelimit:circuit", "17", 0)
	w.Set("celery-task-meta-1", "{}", time.Hour)
	w.Set("queue_paused:global", "looks alike", 0)
}

// PlatformKeys are the names of the old keys that Platform writes.
var PlatformKeys = []string{"circuit_breaker:apollo", "circuit_failures:apollo", "queue_paused:apollo",
	"circuit_breaker:instantly", "circuit_breaker:millionverifier", "circuit_failures:millionverifier",
	"circuit_breaker:openai", "circuit_failures:openai", "circuit_success:openai", "queue_paused:openai",
	"queue_paused:perplexity"}

// UntouchedKeys are the names of the other keys that Platform writes.
var UntouchedKeys = []string{"circuit_breaker:apollo:notes", "circuit_breaker:hunter", "ratelimit:circuit",
	"celery-task-meta-1", "queue_paused:global"}

package platform

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Key is a Redis key: a string, or a sorted set where Members is not empty.
type Key struct {
	Name    string
	Value   string
	Members []redis.Z
	Life    time.Duration // remaining life; 0 for ever
}

func (k Key) write(ctx context.Context, pipe redis.Pipeliner) {
	if len(k.Members) == 0 {
		pipe.Set(ctx, k.Name, k.Value, k.Life)
		return
	}
	pipe.ZAdd(ctx, k.Name, k.Members...)
	if k.Life > 0 {
		pipe.PExpire(ctx, k.Name, k.Life)
	}
}

// OldKeys are what the old workers have written by now, one story per service:
// apollo is open after two failures; perplexity is half open, so that its first
// failure is known only from its pause; openai was paused by hand; instantly's
// pause has outlived its circuit; millionverifier is closed after one failure.
func OldKeys(now time.Time) []Key {
	ago := func(d time.Duration) string { return isoformat(now.Add(-d)) }
	return []Key{
		{Name: "circuit_breaker:apollo", Life: 6 * time.Minute, Value: fmt.Sprintf(
			`{"state": "open", "opened_at": "%s", "metadata": {"last_error": "Apollo 502 Bad Gateway", "error_type": "http_5xx", "failure_count": 2}}`, ago(4*time.Minute))},
		{Name: "circuit_failures:apollo", Life: time.Minute, Members: failures(now, "http_5xx", 4*time.Minute+12*time.Second, 4*time.Minute)},
		{Name: "queue_paused:apollo", Life: 56 * time.Minute, Value: paused(ago(4*time.Minute), "apollo", "circuit_breaker_open")},

		{Name: "circuit_breaker:perplexity", Life: 9 * time.Minute, Value: `{"state": "half_open", "opened_at": null, "metadata": {}}`},
		{Name: "circuit_failures:perplexity", Life: 20 * time.Second, Members: failures(now, "rate_limit", 4*time.Minute+40*time.Second)},
		{Name: "circuit_success:perplexity", Life: 55 * time.Second, Value: "1"},
		{Name: "queue_paused:perplexity", Life: 46 * time.Minute, Value: paused(ago(14*time.Minute), "perplexity", "circuit_breaker_open")},

		{Name: "circuit_breaker:openai", Life: 8 * time.Minute, Value: fmt.Sprintf(
			`{"state": "open", "opened_at": "%s", "metadata": {"manual_pause": true, "reason": "maintenance"}}`, ago(2*time.Minute))},
		{Name: "queue_paused:openai", Life: 58 * time.Minute, Value: paused(ago(2*time.Minute), "openai", "maintenance")},

		{Name: "queue_paused:instantly", Life: 20 * time.Minute, Value: paused(ago(40*time.Minute), "instantly", "circuit_breaker_open")},

		{Name: "circuit_breaker:millionverifier", Life: 5 * time.Minute, Value: `{"state": "closed", "opened_at": null, "metadata": {}}`},
		{Name: "circuit_failures:millionverifier", Life: 30 * time.Second, Members: failures(now, "timeout", 4*time.Minute+30*time.Second)},
	}
}

// OtherKeys share the database, and some of them look like the breaker's.
func OtherKeys(now time.Time) []Key {
	return []Key{
		{Name: "circuit_breaker:apollo:notes", Value: "ask Ann before closing"},
		{Name: "ratelimit:circuit", Value: "17", Life: time.Minute},
		{Name: "ratelimit:apollo", Value: "42", Life: time.Minute},
		{Name: "celery-task-meta-7a5c0000-0000-4000-8000-000000000014", Life: 30 * time.Minute, Value: fmt.Sprintf(
			`{"status": "SUCCESS", "result": {"status": "completed"}, "traceback": null, "children": [], "date_done": "%s", "task_id": "7a5c0000-0000-4000-8000-000000000014"}`, isoformat(now.Add(-30*time.Minute)))},
	}
}

func paused(at, service, reason string) string {
	return fmt.Sprintf(`{"paused_at": "%s", "service": "%s", "reason": "%s"}`, at, service, reason)
}

// failures are members as Python's f"{time.time()}:{error_type}" prints them.
func failures(now time.Time, errorType string, ages ...time.Duration) []redis.Z {
	var z []redis.Z
	for _, age := range ages {
		at := now.Add(-age)
		seconds := float64(at.UnixMicro()) / 1e6
		member := fmt.Sprintf("%d.%06d", at.Unix(), at.Nanosecond()/1000)
		z = append(z, redis.Z{Score: seconds, Member: strings.TrimRight(member, "0") + ":" + errorType})
	}
	return z
}

// isoformat prints naive UTC as Python's datetime.isoformat does.
func isoformat(t time.Time) string {
	layout := "2006-01-02T15:04:05.000000"
	if t.Nanosecond()/1000 == 0 {
		layout = "2006-01-02T15:04:05"
	}
	return t.UTC().Format(layout)
}

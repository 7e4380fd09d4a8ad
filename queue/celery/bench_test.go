package celery_test

import (
	"context"
	"encoding/csv"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

// jobParams make the message 1.6 kB long.
var jobParams = map[string]any{"query": strings.Repeat("head of sales; ", 14), "limit": 100}

// BenchmarkPublish: messages a second of ours, with the encoding and the dedupe,
// beside redis-benchmark's LPUSH of the same size and Celery's own delay().
func BenchmarkPublish(b *testing.B) {
	const batches, batch = 200, 500
	r := testenv.StartRedis(b)
	client := redis.NewClient(&redis.Options{Addr: r.Addr()})
	defer client.Close()
	broker, err := celery.NewRedis(client, celery.Options{})
	if err != nil {
		b.Fatal(err)
	}
	// As a relay does: two batches on their way at once.
	lane := func() error {
		tasks := make([]queue.Task, batch)
		for range batches / 2 {
			for i := range tasks {
				tasks[i] = queue.Task{ID: uuid.NewString(), Name: "fetch_and_save_leads_task", Kwargs: []queue.Kwarg{{Name: "job_params", Value: jobParams},
					{Name: "campaign_id", Value: "7d8dcfd3-8fc8-4e96-a8f4-1c27a1f0a9d5"}, {Name: "job_id", Value: i}}}
			}
			if _, err := broker.Publish(context.Background(), uuid.NewString(), tasks); err != nil {
				return err
			}
		}
		return nil
	}
	for range b.N {
		start := time.Now()
		var g errgroup.Group
		g.Go(lane)
		g.Go(lane)
		if err := g.Wait(); err != nil {
			b.Fatal(err)
		}
		ours := batches * batch / time.Since(start).Seconds()
		raw, err := client.LIndex(b.Context(), "celery", 0).Result()
		if err != nil {
			b.Fatal(err)
		}
		client.FlushAll(b.Context())
		bare := redisBenchmark(b, r.Port, len(raw))
		client.FlushAll(b.Context())
		theirs := delay(b, r.URL(0))
		b.ReportMetric(float64(len(raw)), "bytes")
		b.ReportMetric(ours, "ours/s")
		b.ReportMetric(bare, "redis-benchmark/s")
		b.ReportMetric(theirs, "delay/s")
		b.ReportMetric(ours/bare, "ours/redis-benchmark")
		b.ReportMetric(ours/theirs, "ours/delay")
	}
}

func redisBenchmark(b *testing.B, port, size int) float64 {
	b.Helper()
	out, err := exec.Command("redis-benchmark", "-p", strconv.Itoa(port), "-P", "100", "-n", "200000", "-d", strconv.Itoa(size), "-t", "lpush", "--csv").Output()
	if err != nil {
		b.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(out))).ReadAll()
	if err != nil || len(rows) < 2 {
		b.Fatalf("%v: %s", err, out)
	}
	rate, err := strconv.ParseFloat(rows[1][1], 64)
	if err != nil {
		b.Fatal(err)
	}
	return rate
}

func delay(b *testing.B, url string) float64 {
	b.Helper()
	out := testenv.RunCelery(b, url, "postgresql://none/none", `
import time, leadgen_worker as w
start = time.time()
for i in range(5000):
    w.fetch_and_save_leads_task.delay(job_params={"query": "head of sales; " * 14, "limit": 100}, campaign_id="7d8dcfd3-8fc8-4e96-a8f4-1c27a1f0a9d5", job_id=i)
print(5000 / (time.time() - start))
`)
	rate, err := strconv.ParseFloat(strings.TrimSpace(out), 64)
	if err != nil {
		b.Fatal(err)
	}
	return rate
}

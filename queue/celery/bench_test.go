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

	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

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
	tasks := make([]queue.Task, batch)
	for range b.N {
		start := time.Now()
		for range batches {
			for i := range tasks {
				tasks[i] = queue.Task{ID: uuid.NewString(), Name: "process_job_task", Kwargs: []queue.Kwarg{{Name: "job_id", Value: i},
					{Name: "job_type", Value: "FETCH_LEADS"}, {Name: "campaign_id", Value: "7d8dcfd3-8fc8-4e96-a8f4-1c27a1f0a9d5"}}}
			}
			if _, err := broker.Publish(context.Background(), uuid.NewString(), tasks); err != nil {
				b.Fatal(err)
			}
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
    w.process_job_task.delay(job_id=i, job_type="FETCH_LEADS", campaign_id="7d8dcfd3-8fc8-4e96-a8f4-1c27a1f0a9d5")
print(5000 / (time.time() - start))
`)
	rate, err := strconv.ParseFloat(strings.TrimSpace(out), 64)
	if err != nil {
		b.Fatal(err)
	}
	return rate
}

package state_test

import (
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// BenchmarkDiscoveryAmong2MillionKeys compares a whole plan, discovery included,
// with the plainest loop over all names (the best run of each), and says how long the longest call held
// the server (which counts the time in which other processes had its processor)
// and how much memory the built command needs.
func BenchmarkDiscoveryAmong2MillionKeys(b *testing.B) {
	server := testenv.StartRedis(b, "--slowlog-log-slower-than", "1000", "--slowlog-max-len", "100000")
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), ReadTimeout: time.Minute})
	defer client.Close()
	fill(b, client, 2_000_000)
	r := newRig(b, client)
	b.Run("plan-beside-bare-SCAN", func(b *testing.B) {
		client.Do(ctx, "SLOWLOG", "RESET")
		bare, plan := time.Hour, time.Hour
		for b.Loop() { // in turns, so that other load on the machine meets both
			bare = min(bare, timed(func() { bareScan(b, client) }))
			r.Platform(base()) // the counters of the old workers die within a minute
			plan = min(plan, timed(func() {
				if p := r.plan(); len(p.Keys) < len(testenv.PlatformKeys)+3 {
					b.Fatalf("found %d keys", len(p.Keys))
				}
			}))
		}
		b.ReportMetric(bare.Seconds(), "s-bare-SCAN")
		b.ReportMetric(plan.Seconds(), "s-plan")
		b.ReportMetric(plan.Seconds()/bare.Seconds(), "x-bare-SCAN")
		reportHold(b, client)
	})
	b.Run("built-command", func(b *testing.B) {
		var peak int64
		for b.Loop() {
			peak = max(peak, peakKiB(b, server.URL(0)))
		}
		b.ReportMetric(float64(peak)/1024, "MiB-peak")
		if peak >= 64*1024 {
			b.Errorf("the command needed %d KiB", peak)
		}
	})
}

func timed(do func()) time.Duration {
	start := time.Now()
	do()
	return time.Since(start)
}

// reportHold says how long the plans' longest call took, and how many took over 20 ms.
func reportHold(b *testing.B, client *redis.Client) {
	var longest time.Duration
	over := 0
	for _, s := range client.SlowLogGet(ctx, -1).Val() {
		if !slices.Contains(s.Args, "match") {
			continue // the bare loop's
		}
		longest = max(longest, s.Duration)
		if s.Duration > 20*time.Millisecond {
			over++
		}
	}
	b.ReportMetric(float64(longest.Microseconds())/1000, "ms-longest-call")
	b.ReportMetric(float64(over)/float64(b.N), "calls-over-20ms/op")
}

func bareScan(b *testing.B, client *redis.Client) {
	n, cursor := 0, uint64(0)
	for {
		names, next, err := client.Scan(ctx, cursor, "", 10000).Result()
		if err != nil {
			b.Fatal(err)
		}
		n += len(names)
		if cursor = next; cursor == 0 {
			break
		}
	}
	if n < 2_000_000 {
		b.Fatalf("walked over %d keys", n)
	}
}

// peakKiB runs the built command and returns the most memory that it held.
func peakKiB(b *testing.B, url string) int64 {
	cmd := exec.Command(testenv.Binary(b), "migrate-state", "--dry-run", "--redis-url", url)
	cmd.Dir = b.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
}

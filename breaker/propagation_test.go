package breaker_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// followVar holds the address of the Redis server that this process, a child of the
// benchmark, follows.
const followVar = "LEADGENCTL_TEST_FOLLOW"

// follow prints the time, in nanoseconds, of each moment from which Allow answers
// otherwise than before. It ends with its standard input.
func follow(addr string) error {
	b, err := breaker.New(redis.NewClient(&redis.Options{Addr: addr}), breaker.Settings{PollInterval: time.Hour})
	if err != nil {
		return err
	}
	if err := b.Start(context.Background()); err != nil {
		return err
	}
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	fmt.Println("ready")
	for allowed := b.Allow(); ; time.Sleep(20 * time.Microsecond) { // how finely Allow is asked
		if now := b.Allow(); now != allowed {
			allowed = now
			fmt.Println(time.Now().UnixNano())
		}
	}
}

// How long the Allow of another process takes to follow a change, from before the
// change is sent until Allow answers otherwise.
func BenchmarkPropagation(b *testing.B) {
	ctx := context.Background()
	server := testenv.StartRedis(b)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	b.Cleanup(func() { client.Close() })
	writer := newOn(b, client, breaker.Settings{})
	lines := startFollower(b, server.Addr())
	var took []time.Duration
	open := false
	for b.Loop() {
		begin := time.Now()
		if open = !open; open {
			must(writer.Open(ctx, breaker.OpenOptions{}))(b)
		} else {
			must(writer.Close(ctx, breaker.CloseOptions{}))(b)
		}
		if !lines.Scan() {
			b.Fatalf("the follower ended: %v", lines.Err())
		}
		seen, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Duration(seen-begin.UnixNano()))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max-ms")
}

// startFollower runs follow in a process of its own; the scanner reads what it prints.
func startFollower(b *testing.B, addr string) *bufio.Scanner {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^$")
	cmd.Env = append(os.Environ(), followVar+"="+addr)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		b.Fatalf("the follower did not start: %q, %v", lines.Text(), lines.Err())
	}
	return lines
}

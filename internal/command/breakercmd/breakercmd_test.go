package breakercmd_test

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

func TestOpenPausesAndCloseResumes(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, "PENDING", "PROCESSING", "COMPLETED")
	expect(t, p.json(0, "status"), map[string]any{"state": "closed", "opened_at": nil, "closed_at": nil, "epoch": 0, "ttl_seconds": nil,
		"legacy_keys": []string{}, "reason": "", "service": "", "actor": "", "jobs": map[string]int{"pending": 1, "processing": 1, "paused": 0}})

	o := p.json(0, "open", "--reason", "Apollo is down", "--service", "apollo", "--actor", "eve@ops-1")
	expect(t, o, map[string]any{"changed": true, "previous_state": "closed", "state": "open", "epoch": 1, "jobs_paused": 2})
	st := p.json(0, "status")
	expect(t, st, map[string]any{"state": "open", "reason": "Apollo is down", "service": "apollo", "actor": "eve@ops-1", "epoch": 1,
		"closed_at": nil, "jobs": map[string]int{"pending": 0, "processing": 0, "paused": 2}, "warnings": []string{}})
	if at, err := time.Parse(time.RFC3339Nano, st["opened_at"].(string)); err != nil || time.Since(at) > time.Minute {
		t.Errorf("opened_at: %v, %v", at, err)
	}

	again := p.run("open", "--reason", "another")
	contains(t, "a second open", again.stdout, "was open already", "by eve@ops-1: Apollo is down", "nothing changed")
	expect(t, p.json(0, "open", "--reason", "another"), map[string]any{"changed": false, "previous_state": "open", "state": "open", "epoch": 1, "jobs_paused": 0})

	expect(t, p.json(0, "close", "--reason", "fixed"), map[string]any{"changed": true, "previous_state": "open", "state": "closed", "epoch": 2, "jobs_resumed": 2})
	if c := p.counts(); c["PENDING"] != 2 || c["PAUSED"] != 0 || c["COMPLETED"] != 1 {
		t.Errorf("jobs: %v", c)
	}
	expect(t, p.json(0, "close"), map[string]any{"changed": false, "previous_state": "closed", "state": "closed", "epoch": 2, "jobs_resumed": 0})
	contains(t, "a second close", p.run("close").stdout, "was closed already", "nothing changed")
	if actor := p.json(0, "status")["actor"].(string); !strings.Contains(actor, "@") {
		t.Errorf("the actor by default is %q, not user@host", actor)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, "PENDING")
	expect(t, p.json(0, "open", "--reason", "r", "--dry-run"), map[string]any{"dry_run": true, "changed": true, "previous_state": "closed", "state": "open", "epoch": 1, "jobs_paused": 1})
	contains(t, "dry run", p.run("open", "--reason", "r", "--dry-run").stdout, "would open the breaker", "pause 1 job\n")
	if n := p.redis.Client.DBSize(context.Background()).Val(); n != 0 || p.counts()["PENDING"] != 1 {
		t.Errorf("%d keys, jobs %v", n, p.counts())
	}
	p.run("open", "--reason", "r")
	expect(t, p.json(0, "close", "--dry-run"), map[string]any{"dry_run": true, "changed": true, "state": "closed", "epoch": 2, "jobs_resumed": 1})
	expect(t, p.json(0, "open", "--reason", "r", "--dry-run"), map[string]any{"changed": false, "epoch": 1, "jobs_paused": 0})
	if p.counts()["PAUSED"] != 1 || p.json(0, "status")["state"] != "open" {
		t.Error("the dry run closed it")
	}
}

func TestStatusWarns(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := newPlatform(t, "PENDING", "PAUSED")
	p.set(`{"state": "open", "opened_at": "2026-01-05T10:20:41.870963", "closed_at": null, "metadata": {"last_error": "Apollo 502 Bad Gateway", "error_type": "http_5xx"}}`, 24*time.Hour)
	if err := p.redis.Client.MSet(ctx, "circuit_breaker:apollo", "{}", "queue_paused:openai", "{}", "circuit_breaker:apollo:notes", "x").Err(); err != nil {
		t.Fatal(err)
	}
	st := p.json(0, "status")
	expect(t, st, map[string]any{"state": "open", "opened_at": "2026-01-05T10:20:41.870963Z", "reason": "Apollo 502 Bad Gateway", "source": "python", "adopted": false,
		"legacy_keys": []string{"circuit_breaker:apollo", "queue_paused:openai"}, "jobs": map[string]int{"pending": 1, "processing": 0, "paused": 1}})
	if ttl, _ := st["ttl_seconds"].(float64); ttl < 86000 || ttl > 86400 {
		t.Errorf("ttl_seconds: %v", st["ttl_seconds"])
	}
	o := p.run("status")
	contains(t, "stdout", o.stdout, "State:", "open", "2026-01-05 10:20:41Z", "Apollo 502 Bad Gateway", "1 paused")
	contains(t, "stderr", o.stderr, "expires in", "another program", "left: 2 (circuit_breaker:apollo, queue_paused:openai)", "breaker is open: 1 job;", "reconcile")

	// Closing adopts what Python did first.
	expect(t, p.json(0, "close", "--reason", "fixed"), map[string]any{"changed": true, "epoch": 2})
	if ttl := p.redis.Client.TTL(ctx, breaker.DefaultKey).Val(); ttl != -1 {
		t.Errorf("time to live %v", ttl)
	}
	h := p.json(0, "history")["events"].([]any)
	if len(h) != 2 || h[0].(map[string]any)["source"] != "python" {
		t.Errorf("%v", h)
	}
	p.run("open", "--reason", "r")
	p.redis.Client.Del(ctx, breaker.DefaultKey)
	expect(t, p.json(0, "status"), map[string]any{"state": "open", "lost": true, "exists": false})
	contains(t, "stderr", p.run("status").stderr, "is gone although nobody closed")
}

func TestMalformedKeyIsRefusedAndCanBeReplaced(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := newPlatform(t, "PENDING")
	p.set(`{"state": "half_open", "opened_at": null, "metadata": {}}`, 0)
	for _, args := range [][]string{{"status"}, {"open", "--reason", "r"}, {"close"}, {"watch"}, {"open", "--reason", "r", "--dry-run"}} {
		o := p.run(args...)
		if o.code != 4 || o.stdout != "" {
			t.Errorf("%v: exit %d: %s", args, o.code, o.stdout)
		}
		contains(t, args[0], o.stderr, breaker.DefaultKey, "half_open", "--replace-malformed")
	}
	if v := p.redis.Client.Get(ctx, breaker.DefaultKey).Val(); !strings.Contains(v, "half_open") || p.counts()["PENDING"] != 1 {
		t.Error("something was changed")
	}
	expect(t, p.json(0, "open", "--reason", "r", "--replace-malformed"), map[string]any{"changed": true, "state": "open", "jobs_paused": 1})
	p.redis.Client.Del(ctx, breaker.DefaultKey)
	p.redis.Client.HSet(ctx, breaker.DefaultKey, "state", "open")
	o := p.run("status")
	if o.code != 4 {
		t.Errorf("a hash: exit %d", o.code)
	}
	contains(t, "a hash", o.stderr, "wrong Redis type", "RENAME")
}

func TestWithoutPostgres(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, "PENDING")
	away := *p
	away.env = append(append([]string{}, p.env...), "LEADGENCTL_DATABASE_URL=postgresql://nobody@127.0.0.1:1/none")
	st := away.json(0, "status")
	expect(t, st, map[string]any{"state": "closed", "jobs": nil})
	contains(t, "stderr", away.run("status").stderr, "warning", "could not be counted", "connection refused")

	if o := away.run("close"); o.code != 3 || o.stdout != "" {
		t.Errorf("close: exit %d: %s", o.code, o.stdout)
	}
	// Opening stops work all the same.
	o := away.run("open", "--reason", "r", "-o", "json")
	if o.code != 5 {
		t.Errorf("open: exit %d: %s", o.code, o.stderr)
	}
	var r map[string]any
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
		t.Fatal(err)
	}
	expect(t, r, map[string]any{"changed": true, "state": "open", "partial": true, "jobs_paused": 0})
	contains(t, "stderr", o.stderr, "jobs have followed", "connection refused", "reconcile")
	// The same command completes it.
	expect(t, p.json(0, "open", "--reason", "r"), map[string]any{"changed": false, "state": "open", "jobs_paused": 1})
}

func TestWithoutTheTables(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, "PENDING")
	p.exec("DROP SCHEMA leadgenctl CASCADE")
	o := p.run("close")
	if o.code != 3 {
		t.Errorf("close: exit %d", o.code)
	}
	contains(t, "close", o.stderr, "leadgenctl migrate up --to base")
	if o = p.run("open", "--reason", "r"); o.code != 5 {
		t.Errorf("open: exit %d", o.code)
	}
	contains(t, "open", o.stderr, "leadgenctl migrate up --to base")
	expect(t, p.json(0, "status"), map[string]any{"state": "open"})
}

func TestHistory(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := newPlatform(t)
	if o := p.run("history"); o.code != 0 || o.stdout != "" {
		t.Errorf("an empty history: %+v", o)
	}
	b, err := breaker.New(p.redis.Client, breaker.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 5, 10, 20, 41, 0, time.UTC)
	_, err = b.Import(ctx, breaker.ImportOptions{Record: breaker.Record{State: breaker.Open, OpenedAt: at}, Reason: "carried over", Events: []breaker.Event{
		{Kind: breaker.EventLegacyFailure, At: at, Service: "apollo", ErrorType: "http_5xx", Source: "legacy", Details: `{"count": 2}`}}})
	if err != nil {
		t.Fatal(err)
	}
	p.run("close", "--reason", "fixed", "--actor", "eve@ops-1")
	o := p.run("history")
	contains(t, "history", o.stdout, "TIME", "2026-01-05 10:20:41Z", "legacy_failure", "http_5xx", "migrate-state", "eve@ops-1", "fixed")
	if lines := strings.Count(o.stdout, "\n"); lines != 4 {
		t.Errorf("%d lines:\n%s", lines, o.stdout)
	}
	events := func(args ...string) int {
		return len(p.json(0, append([]string{"history"}, args...)...)["events"].([]any))
	}
	for want, args := range map[int][]string{3: nil, 2: {"--since", "1h"}, 1: {"--service", "apollo"}, 0: {"--since", "7d", "--service", "apollo"}} {
		if got := events(args...); got != want {
			t.Errorf("%v: %d events, want %d", args, got, want)
		}
	}
	if n := events("--limit", "1"); n != 1 {
		t.Errorf("--limit 1: %d", n)
	}
	for _, bad := range [][]string{{"--since", "yesterday"}, {"--since", "-5m"}, {"--limit", "-1"}, {"--limit", "x"}, {"more"}} {
		if o := p.run(append([]string{"history"}, bad...)...); o.code != 2 || o.stdout != "" {
			t.Errorf("%v: exit %d: %s", bad, o.code, o.stdout)
		}
	}
}

func TestWatchFollowsUntilInterrupted(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	cmd := p.command("watch", "-o", "json", "--after", "0-0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = io.Discard
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	lines := json.NewDecoder(out)
	next := func() map[string]any {
		t.Helper()
		var v map[string]any
		if err := lines.Decode(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	guard := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer guard.Stop()
	p.run("open", "--reason", "Apollo", "--service", "apollo")
	expect(t, next(), map[string]any{"kind": "opened", "epoch": 1, "previous_state": "closed", "state": "open", "reason": "Apollo", "service": "apollo"})
	p.set(`{"state": "closed", "metadata": {"closed_by": "ann"}}`, 0)
	expect(t, next(), map[string]any{"kind": "closed", "epoch": 0, "source": "python", "actor": "ann", "id": ""})
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit %d", code)
	}
	if o := p.run("watch", "--after", "last"); o.code != 2 {
		t.Errorf("a bad id: exit %d", o.code)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, "PENDING")
	for _, args := range [][]string{{"open"}, {"open", "--reason", ""}, {"open", "--reason", "r", "now"}, {"close", "now"}, {"status", "apollo"},
		{"status", "-o", "xml"}, {"half-open"}, {"open", "--reason", "r", "--force"}, {"status", "--redis-url", "http://x"},
		{"close", "--canary", "-1"}, {"close", "--canary-wait", "5s"}, {"close", "--rate", "fast"}} {
		if o := p.run(args...); o.code != 2 || o.stdout != "" {
			t.Errorf("%v: exit %d\n%s%s", args, o.code, o.stdout, o.stderr)
		}
	}
	if n := p.redis.Client.DBSize(context.Background()).Val(); n != 0 {
		t.Errorf("%d keys were written", n)
	}
}

// Killed between Redis and PostgreSQL, the same command completes the work.
func TestOpenAndCloseSurviveAKill(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"queue.open.before", "queue.open.redis", "queue.open.applied", "queue.open.committed"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, "PENDING")
			killed := *p
			killed.env = append(append([]string{}, p.env...), "LEADGENCTL_CRASHPOINT="+point)
			cmd := killed.command("open", "--reason", "r")
			cmd.Run()
			if s, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || s.Signal() != syscall.SIGKILL {
				t.Fatalf("it was not killed: %v", cmd.ProcessState)
			}
			expect(t, p.json(0, "open", "--reason", "r"), map[string]any{"state": "open", "epoch": 1})
			if c := p.counts(); c["PAUSED"] != 1 {
				t.Errorf("jobs: %v", c)
			}
			if n := len(p.json(0, "history")["events"].([]any)); n != 1 {
				t.Errorf("%d transitions", n)
			}
		})
	}
}

// A server that accepts and never answers must not keep work going: Redis first.
func TestOpenDoesNotWaitForASilentPostgres(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, "PENDING")
	proxy := testenv.StartProxy(t, p.db.Pool.Config().ConnConfig.Host+":"+portOf(p))
	if err := proxy.Hang(); err != nil {
		t.Fatal(err)
	}
	silent := *p
	silent.env = append(append([]string{}, p.env...), "LEADGENCTL_DATABASE_URL=postgresql://postgres@"+proxy.Addr()+"/x?sslmode=disable")
	cmd := silent.command("open", "--reason", "r", "--timeout", "60s")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b, err := breaker.New(p.redis.Client, breaker.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 30*time.Second, func() error {
		if st, err := b.State(context.Background()); err != nil || st.State != breaker.Open {
			return os.ErrNotExist
		}
		return nil
	})
	cmd.Process.Kill()
	cmd.Wait()
}

// Messages of paused jobs leave the queue on request, and the jobs get tasks again.
func TestOpenWithdraws(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := newPlatform(t, "PENDING", "PENDING")
	broker, err := celery.NewRedis(p.redis.Client, celery.Options{DB: p.redis.Client.Options().DB})
	if err != nil {
		t.Fatal(err)
	}
	var jobID int64
	var taskID string
	if err := p.db.Pool.QueryRow(ctx, "SELECT id, task_id FROM jobs ORDER BY id LIMIT 1").Scan(&jobID, &taskID); err != nil {
		t.Fatal(err)
	}
	tasks := []queue.Task{{ID: taskID, Name: "process_job_task", Kwargs: []queue.Kwarg{{Name: "job_id", Value: jobID}}},
		{ID: "11111111-1111-4111-8111-111111111111", Name: "cleanup_campaign_jobs_task", Kwargs: []queue.Kwarg{{Name: "campaign_id", Value: "c-1"}, {Name: "days", Value: 7}}}}
	if _, err := broker.Publish(ctx, "b-1", tasks); err != nil {
		t.Fatal(err)
	}
	expect(t, p.json(0, "open", "--reason", "r", "--withdraw"), map[string]any{"changed": true, "jobs_paused": 2, "messages_withdrawn": 1})
	if n := p.redis.Client.LLen(ctx, "celery").Val(); n != 1 {
		t.Errorf("%d messages are left, want the one that is no job's", n)
	}
	expect(t, p.json(0, "close"), map[string]any{"changed": true, "jobs_resumed": 2, "tasks_created": 2, "outbox_pending": 0, "jobs_failed": 0})
	if n := p.redis.Client.LLen(ctx, "celery").Val(); n != 3 {
		t.Errorf("%d messages, want 3", n)
	}
}

package queuecmd_test

import (
	"fmt"
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

func TestQueueCommands(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, 4)
	if v := p.run(0, "queue", "status"); v["breaker"] != "closed" || v["outbox_pending"] != 0.0 || v["broker"].(map[string]any)["queued"] != 0.0 {
		t.Errorf("status: %v", v)
	}
	if v := p.run(0, "queue", "pause", "--reason", "drill", "--dry-run"); v["jobs_paused"] != 4.0 || v["opened"] != true {
		t.Errorf("pause --dry-run: %v", v)
	}
	if v := p.run(0, "queue", "pause", "--reason", "drill", "--withdraw"); v["jobs_paused"] != 4.0 || v["opened"] != true || v["messages_withdrawn"] != 0.0 {
		t.Errorf("pause: %v", v)
	}
	p.run(4, "queue", "resume")
	p.run(0, "queue", "relay")
	p.run(0, "breaker", "close")
	if v := p.run(0, "queue", "inspect", "1"); v["status"] != "PENDING" || len(v["tasks"].([]any)) != 1 || len(v["outbox"].([]any)) != 1 {
		t.Errorf("inspect: %v", v)
	}
	p.run(1, "queue", "inspect", "4711")
	p.run(2, "queue", "inspect", "x")
	p.run(2, "queue", "pause")
	p.run(2, "queue", "resume", "--canary", "-1")
	p.run(2, "queue", "resume", "--continue", "--rate", "1")
	p.run(2, "queue", "retry", "--failed-since", "yesterday")
	p.exec("UPDATE jobs SET status = 'FAILED', error = 'boom', updated_at = now() WHERE id = 1")
	if v := p.run(0, "queue", "retry", "--failed-since", "1h", "--dry-run"); v["jobs_retried"] != 0.0 {
		t.Errorf("retry: %v", v)
	}
	p.run(2, "queue", "retry", "--failed-since", "1h", "--all")
	if v := p.run(0, "queue", "retry", "--failed-since", "1h", "--all", "--yes"); v["jobs_retried"] != 1.0 || v["tasks_reused"] != 1.0 {
		t.Errorf("retry --all: %v", v)
	}
	if v := p.run(0, "reconcile", "--dry-run"); len(v["findings"].([]any)) != 0 {
		t.Errorf("reconcile --dry-run: %v", v)
	}
	if err := p.resumed(4); err != nil {
		t.Error(err)
	}
}

func TestGuardCommands(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, 1)
	if v := p.run(0, "queue", "guard", "status"); v["mode"] != "observe" || v["current"] != true {
		t.Errorf("status: %v", v)
	}
	p.exec("UPDATE jobs SET status = 'COMPLETED'")
	p.exec("UPDATE jobs SET status = 'PROCESSING'")
	if v := p.run(0, "queue", "guard", "status"); v["violations"] != 1.0 {
		t.Errorf("status: %v", v)
	}
	if v := p.run(0, "queue", "guard", "enforce", "--dry-run"); v["changed"] != true || p.run(0, "queue", "guard", "status")["mode"] != "observe" {
		t.Errorf("dry run: %v", v)
	}
	p.run(2, "queue", "guard", "enforce") // nobody is there to ask
	if v := p.run(0, "queue", "guard", "enforce", "--yes"); v["changed"] != true {
		t.Errorf("enforce: %v", v)
	}
	if v := p.run(0, "queue", "guard", "enforce"); v["changed"] != false {
		t.Errorf("enforce: %v", v)
	}
	p.run(0, "queue", "guard", "observe")
}

func TestReconcileTellsBeforeItActs(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, 2)
	p.run(0, "breaker", "open", "--reason", "x")
	if err := p.redis.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	v := p.run(0, "reconcile", "--dry-run")
	if fs := v["findings"].([]any); len(fs) != 1 || fs[0].(map[string]any)["kind"] != "lost_key" || v["state"] != "open" {
		t.Errorf("%v", v)
	}
	if n := p.redis.Exists(t.Context(), "circuit_breaker:global").Val(); n != 0 {
		t.Error("a dry run wrote")
	}
	if v := p.run(0, "reconcile"); v["state"] != "open" || v["epoch"] != 1.0 {
		t.Errorf("%v", v)
	}
}

func TestBrokerAwayEndsWithFive(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, 3)
	p.run(0, "breaker", "open", "--reason", "x")
	p.broker.Stop()
	if v := p.run(5, "breaker", "close"); v["outbox_pending"] != 3.0 || v["jobs_resumed"] != 3.0 || v["changed"] != true {
		t.Errorf("%v", v)
	}
	if v := p.run(5, "queue", "relay"); v["outbox_pending"] != 3.0 {
		t.Errorf("%v", v)
	}
	if err := p.broker.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v := p.run(0, "queue", "relay"); v["tasks_created"] != 3.0 || v["outbox_pending"] != 0.0 {
		t.Errorf("%v", v)
	}
	if err := p.resumed(3); err != nil {
		t.Error(err)
	}
}

func TestWorkersLs(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, 0)
	if v := p.run(0, "workers", "ls"); len(v["workers"].([]any)) != 0 || v["silent"] != 0.0 {
		t.Errorf("%v", v)
	}
	w := testenv.StartCeleryWorker(t, p.broker.URL(0), p.db.URL, servers.CeleryOptions{})
	v := p.run(0, "workers", "ls")
	ws := v["workers"].([]any)
	if len(ws) != 1 || ws[0].(map[string]any)["name"] != w.Name || fmt.Sprint(ws[0].(map[string]any)["queues"]) != "[celery]" {
		t.Errorf("%v", v)
	}
}

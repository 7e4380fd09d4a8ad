package monitorcmd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// A message that a channel refuses for what it is gives way to the next one.
func TestARefusedMessageBlocksNoOther(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.tooLarge = "Apollo"
	r := p.start()
	p.cli.Expect(0, "breaker", "open", "--reason", "Apollo 502")
	testenv.Eventually(t, wait, func() error { return r.metric(`leadgenctl_notifications_total{channel="team",result="dropped"} 1`) })
	p.cli.Expect(0, "breaker", "close")
	p.told("breaker_closed")
	p.silent()
}

// A channel that is away does not keep the monitor from starting, nor others from being told.
func TestAChannelThatIsAwayBlocksNoOther(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	for i, e := range p.cli.Env {
		if strings.HasPrefix(e, "LEADGENCTL_NOTIFY=") {
			p.cli.Env[i] = e + " away=matrix://user:x@127.0.0.1:1/?rooms=x&disableTLS=yes"
		}
	}
	r := p.start()
	p.cli.Expect(0, "breaker", "open", "--reason", "Apollo 502")
	p.told("breaker_opened")
	r.failed("away")
}

// What waits for a channel is bounded: the oldest messages give way.
func TestWhatWaitsIsBounded(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.start().stop()
	name := filepath.Join(p.cli.Dir, ".local", "state", "leadgenctl", "monitor.json")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var state map[string]any
	if err := json.Unmarshal(data, &state); err != nil {
		t.Fatal(err)
	}
	var pending []any
	for i := range 103 {
		pending = append(pending, map[string]any{"channel": "team", "message": map[string]any{"event": fmt.Sprint("e", i), "title": "t"}})
	}
	state["pending"] = pending
	if data, err = json.Marshal(state); err == nil {
		err = os.WriteFile(name, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.setRefuse(true)
	r := p.start()
	testenv.Eventually(t, wait, func() error { return r.metric(`leadgenctl_notifications_total{channel="team",result="dropped"} 3`) })
	p.setRefuse(false)
	p.told("e102")
	testenv.Eventually(t, wait, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.messages) != 99 || p.messages[0].Event != "e3" {
			return fmt.Errorf("%d messages", len(p.messages))
		}
		return nil
	})
}

// What a Python worker opens is told at once, with its service; how many jobs were paused follows.
func TestPythonOpensTheBreaker(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.db.NewCampaign(t, "RUNNING", testenv.Job{}, testenv.Job{Status: "PROCESSING"})
	p.start()
	o, err := redis.ParseURL(p.redis.URL(0))
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(o)
	t.Cleanup(func() { client.Close() })
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000000")
	value := fmt.Sprintf(`{"state": "open", "opened_at": %q, "closed_at": null, "metadata": {"last_error": "502 Bad Gateway", "error_type": "http_5xx", "failed_at": %q, "service": "apollo"}}`, now, now)
	if err := client.Set(context.Background(), "circuit_breaker:global", value, 24*time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	if m := p.told("breaker_opened"); !strings.Contains(m.Text, "service apollo") || !strings.Contains(m.Text, "have not followed yet") {
		t.Errorf("%+v", m)
	}
	p.cli.Expect(0, "reconcile")
	if m := p.told("jobs_paused"); m.Title != "2 jobs are paused" {
		t.Errorf("%+v", m)
	}
	p.silent()
}

package monitorcmd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

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

package monitorcmd_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/internal/notify"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

const key = "circuit_breaker:global"

func (p *platform) client() *redis.Client {
	p.t.Helper()
	o, err := redis.ParseURL(p.redis.URL(0))
	if err != nil {
		p.t.Fatal(err)
	}
	client := redis.NewClient(o)
	p.t.Cleanup(func() { client.Close() })
	return client
}

// python writes the breaker as the app does, with further metadata.
func (p *platform) python(state, failure, metadata string) {
	p.t.Helper()
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000000")
	value := fmt.Sprintf(`{"state": "closed", "opened_at": null, "closed_at": %q, "metadata": {}}`, now)
	if state == "open" {
		value = fmt.Sprintf(`{"state": "open", "opened_at": %q, "closed_at": null, "metadata": {"last_error": %q, "error_type": "timeout", "failed_at": %q%s}}`, now, failure, now, metadata)
	}
	if err := p.client().Set(context.Background(), key, value, 24*time.Hour).Err(); err != nil {
		p.t.Fatal(err)
	}
}

// forget deletes keys whose names match.
func (p *platform) forget(pattern string) {
	p.t.Helper()
	client := p.client()
	names, err := client.Keys(context.Background(), pattern).Result()
	if err == nil {
		err = client.Del(context.Background(), names...).Err()
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// What a Python worker opens is told at once, with its service; how many jobs were paused follows.
func TestPythonOpensTheBreaker(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.db.NewCampaign(t, "RUNNING", testenv.Job{}, testenv.Job{Status: "PROCESSING"})
	p.start()
	p.python("open", "502 Bad Gateway", `, "service": "apollo"`)
	if m := p.told("breaker_opened"); !strings.Contains(m.Text, "service apollo") || !strings.Contains(m.Text, "have not followed yet") {
		t.Errorf("%+v", m)
	}
	p.cli.Expect(0, "reconcile")
	if m := p.told("jobs_paused"); m.Title != "2 jobs are paused" {
		t.Errorf("%+v", m)
	}
	p.silent()
}

// A Python worker's transition is told once, over restarts and its adoption.
func TestPythonIsNotToldAgain(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	r := p.start()
	p.python("open", "502 Bad Gateway", "")
	p.told("breaker_opened")
	for _, step := range []func(){func() {}, func() { p.cli.Expect(0, "reconcile"); p.told("jobs_paused") }} {
		r.stop()
		r = p.start()
		step()
	}
	r.stop()
	p.start()
	p.cli.Expect(0, "breaker", "close")
	p.told("breaker_closed")
	p.silent()
}

// What another program does is not taken for what was done here shortly before.
func TestPythonIsNotTakenForUs(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.db.NewCampaign(t, "RUNNING", testenv.Job{})
	p.start()
	p.cli.Expect(0, "breaker", "open", "--reason", "first")
	p.told("breaker_opened")
	p.cli.Expect(0, "breaker", "close", "--reason", "x")
	p.told("breaker_closed")
	p.cli.Expect(0, "breaker", "open", "--reason", "MAINTENANCE window", "--service", "instantly")
	p.told("breaker_opened")
	p.python("closed", "", "")
	if m := p.told("breaker_closed"); m.Text != "by another program; the jobs have not followed yet" {
		t.Errorf("%+v", m)
	}
	p.python("open", "OpenAI timeout XYZ", "")
	if m := p.told("breaker_opened"); m.Title != "The global circuit breaker is OPEN: OpenAI timeout XYZ" ||
		!strings.HasPrefix(m.Text, "by another program; the jobs stay as they were\n") {
		t.Errorf("%+v", m)
	}
	if o := p.cli.Expect(0, "breaker", "status"); !strings.Contains(o.Stdout, "OpenAI timeout XYZ") {
		t.Error(o.Stdout)
	}
	p.silent()
}

// A breaker that Redis loses is not closed, and people hear of it once.
func TestALossIsTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		python string          // opens it; by hand where empty
		lose   func(*platform) //
		away   bool            // no monitor has seen it open
		remedy string          //
	}{
		"the key is deleted":    {lose: func(p *platform) { p.forget(key) }, remedy: "Put it back: leadgenctl reconcile"},
		"everything is deleted": {lose: func(p *platform) { p.forget("*circuit_breaker*") }, remedy: "Put it back: leadgenctl reconcile"},
		"before the first look": {lose: func(p *platform) { p.forget("*circuit_breaker*") }, away: true, remedy: "Put it back: leadgenctl reconcile"},
		"an unrecorded one expires": {python: "Instantly down", remedy: "leadgenctl breaker open", lose: func(p *platform) {
			p.client().PExpire(context.Background(), key, time.Millisecond)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t)
			p.db.NewCampaign(t, "RUNNING", testenv.Job{})
			p.cli.Expect(0, "breaker", "open", "--reason", "first")
			p.cli.Expect(0, "breaker", "close", "--reason", "after restart")
			var r *running
			if !c.away {
				r = p.start()
			}
			if c.python == "" {
				p.cli.Expect(0, "breaker", "open", "--reason", "Instantly down")
			} else {
				p.python("open", c.python, "")
			}
			if !c.away {
				p.told("breaker_opened")
			}
			c.lose(p)
			if c.away {
				r = p.start()
			}
			m := p.told("breaker_lost")
			if m.Severity != notify.Critical || m.Title != "Redis has lost the global circuit breaker, which was OPEN: Instantly down" || !strings.Contains(m.Text, c.remedy) {
				t.Errorf("%+v", m)
			}
			lost := "leadgenctl_breaker_lost 1"
			if c.python != "" { // nothing to put back
				lost = "leadgenctl_breaker_lost 0"
			}
			for _, line := range []string{"leadgenctl_breaker_open 0", lost} {
				testenv.Eventually(t, wait, func() error { return r.metric(line) })
			}
			r.stop()
			r = p.start()
			p.cli.Expect(0, "reconcile")
			if c.python == "" {
				if m := p.told("breaker_restored"); m.Severity != notify.Info || m.Title != "The global circuit breaker is back in Redis: it is OPEN" {
					t.Errorf("%+v", m)
				}
			} else {
				p.cli.Expect(0, "breaker", "open", "--reason", "by hand")
				p.told("breaker_opened")
			}
			for _, line := range []string{"leadgenctl_breaker_open 1", "leadgenctl_breaker_lost 0"} {
				testenv.Eventually(t, wait, func() error { return r.metric(line) })
			}
			p.silent()
		})
	}
}

// Two monitors with one state would tell everything twice.
func TestASecondMonitorIsRefused(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	r := p.start()
	if o := p.cli.Expect(4, "monitor", "--listen", "127.0.0.1:0"); !strings.Contains(o.Stderr, "another monitor runs") {
		t.Error(o.Stderr)
	}
	r.stop()
	p.start()
}

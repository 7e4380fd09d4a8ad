package queuecmd_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// chaosRounds is how many rounds TestChaos has; `make chaos` sets it to 200.
func chaosRounds(t *testing.T) int {
	s := os.Getenv("LEADGENCTL_CHAOS_ROUNDS")
	if s == "" {
		return 12
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("LEADGENCTL_CHAOS_ROUNDS=%q is no positive number", s)
	}
	return n
}

// TestChaos lets commands be killed at random moments while workers run, Python-like
// writers change the breaker, Redis comes back empty, PostgreSQL's backends are
// terminated and the broker is cut off. Then reconcile and close, and every job has
// run exactly once.
func TestChaos(t *testing.T) {
	t.Parallel()
	rounds := chaosRounds(t)
	jobs := 40 * rounds
	p := newPlatform(t, jobs)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := &chaos{platform: p, random: rand.New(rand.NewPCG(seed, 0)), injected: map[string]int{}, proxy: testenv.StartProxy(t, p.broker.Addr())}
	p.env = append(p.env, "LEADGENCTL_BROKER_URL=redis://"+c.proxy.Addr()+"/0", "LEADGENCTL_TIMEOUT=5s")
	// The app has queued every job.
	testenv.RunCelery(t, p.broker.URL(0), p.db.URL, `
import leadgen_worker as w
with w.database().cursor() as c:
    c.execute("SELECT id, task_id, job_type, campaign_id FROM jobs ORDER BY id")
    for job, task, kind, campaign in c.fetchall():
        w.process_job_task.apply_async(kwargs=dict(job_id=job, job_type=kind, campaign_id=campaign), task_id=task)
`)
	testenv.StartCeleryWorker(t, p.broker.URL(0), p.db.URL, servers.CeleryOptions{TaskSeconds: 0.02})
	c.record()
	for range rounds {
		c.round()
	}
	c.mended.Wait()
	for _, fault := range faults {
		if rounds >= 50 && c.injected[fault] == 0 {
			t.Errorf("no fault %q was injected", fault)
		}
	}
	if c.killed == 0 {
		t.Error("no command was killed")
	}
	t.Logf("%d commands killed; faults: %v", c.killed, c.injected)
	c.settle(jobs)
}

var faults = []string{"python opens", "python closes", "redis comes back empty", "backends terminated", "broker cut off"}

type chaos struct {
	*platform
	random   *rand.Rand
	proxy    *servers.Proxy
	mended   sync.WaitGroup
	injected map[string]int
	killed   int
}

var chaosCommands = [][]string{
	{"breaker", "open", "--reason", "chaos"}, {"breaker", "open", "--reason", "chaos"},
	{"breaker", "close"}, {"breaker", "close"}, {"breaker", "close", "--batch", "50"},
	{"reconcile"}, {"queue", "relay"}, {"queue", "resume"}, {"queue", "pause", "--reason", "chaos", "--withdraw"},
}

// round runs two commands side by side, kills each at a random moment, and injects a fault.
func (c *chaos) round() {
	var wg sync.WaitGroup
	kills := make(chan bool, 2)
	for range 2 {
		args := chaosCommands[c.random.IntN(len(chaosCommands))]
		cmd, _, errOut := c.command(nil, args...)
		if err := cmd.Start(); err != nil {
			c.t.Fatal(err)
		}
		started := time.Now()
		life := time.Duration(c.random.IntN(150)) * time.Millisecond
		if c.random.IntN(4) == 0 {
			life = 20 * time.Second
		}
		timer := time.AfterFunc(life, func() { _ = cmd.Process.Kill() })
		wg.Go(func() {
			err := cmd.Wait()
			timer.Stop()
			c.t.Logf("%s to %s: %v: %v %s", started.UTC().Format("05.000"), time.Now().UTC().Format("05.000"), args, err, errOut)
			kills <- err != nil && cmd.ProcessState.ExitCode() == -1
			if code := cmd.ProcessState.ExitCode(); code == 2 {
				c.t.Errorf("%v: %s", args, errOut)
			}
		})
	}
	if c.random.IntN(2) == 0 {
		c.inject(faults[c.random.IntN(len(faults))])
	}
	wg.Wait()
	for range 2 {
		if <-kills {
			c.killed++
		}
	}
}

func (c *chaos) inject(fault string) {
	ctx := context.Background()
	c.injected[fault]++
	c.t.Logf("%s: %s", time.Now().UTC().Format("05.000"), fault)
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000000")
	var err error
	switch fault {
	case "python opens":
		err = c.redis.Set(ctx, "circuit_breaker:global", fmt.Sprintf(`{"state": "open", "opened_at": "%s", "closed_at": null, "metadata": {"last_error": "502", "error_type": "http_5xx", "failed_at": "%s"}}`, now, now), 24*time.Hour).Err()
	case "python closes":
		err = c.redis.Set(ctx, "circuit_breaker:global", fmt.Sprintf(`{"state": "closed", "opened_at": null, "closed_at": "%s", "metadata": {"manually_closed_at": "%s", "closed_by": "ops"}}`, now, now), 24*time.Hour).Err()
	case "redis comes back empty":
		err = c.redis.FlushAll(ctx).Err()
	case "backends terminated":
		_, err = c.db.Pool.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> 'leadgen-worker'`)
	case "broker cut off":
		c.mended.Wait()
		c.proxy.Cut()
		c.mended.Go(func() {
			time.Sleep(300 * time.Millisecond) // how long the broker is away
			if err := c.proxy.Mend(); err != nil {
				c.t.Error(err)
			}
		})
	}
	if err != nil {
		c.t.Fatalf("%s: %v", fault, err)
	}
}

// settle closes the breaker and waits until every job has run, and none twice.
func (c *chaos) settle(jobs int) {
	c.t.Helper()
	testenv.Eventually(c.t, 5*time.Minute, func() error {
		for _, args := range [][]string{{"reconcile"}, {"breaker", "close"}, {"queue", "resume", "--continue"}} {
			cmd, out, errOut := c.command(nil, args...)
			if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != 5 {
				return fmt.Errorf("%v: %w: %s%s", args, err, out, errOut)
			}
		}
		return c.db.Expect(`SELECT bool_and(status = 'COMPLETED') FROM jobs`)
	})
	if err := c.db.Expect(`SELECT count(DISTINCT job_id) = $1 AND count(*) = $1 FROM worker_log.executions`, jobs); err != nil {
		c.explain()
		c.t.Error(err)
	}
	if n := len(c.queued()); n != 0 {
		c.t.Errorf("%d messages are left on the queue", n)
	}
	cmd, out, errOut := c.command(nil, "reconcile", "-o", "json")
	if err := cmd.Run(); err != nil {
		c.t.Errorf("reconcile: %v: %s%s", err, out, errOut)
	}
	if err := errors.Join(
		c.db.Expect(`SELECT bool_and(applied_at IS NOT NULL) FROM leadgenctl.breaker_transitions`),
		c.db.Expect(`SELECT count(*) = 0 FROM leadgenctl.outbox WHERE published_at IS NULL`),
		c.db.Expect(`SELECT count(*) = 0 FROM leadgenctl.job_violations`)); err != nil {
		c.t.Error(err)
	}
}

package queuecmd_test

import (
	"testing"
)

var openPoints = []string{"queue.open.before", "queue.open.adopted", "queue.open.redis", "queue.open.recorded",
	"queue.open.applied", "queue.open.committed"}

var closePoints = []string{"queue.close.before", "queue.close.adopted", "queue.close.redis", "queue.close.recorded",
	"queue.close.applied", "queue.close.committed", "queue.dispatch.surveyed", "queue.dispatch.sealed",
	"queue.dispatch.sent", "queue.dispatch.published", "queue.dispatch.sealed:2", "queue.dispatch.sent:2"}

var rampPoints = []string{"queue.ramp.resumed", "queue.ramp.canary", "queue.ramp.step", "queue.dispatch.sent", "queue.dispatch.sealed:2", "queue.ramp.step:2"}

const crashJobs = 600 // more than one batch

// Killed at every step of open and of close: the same command again, or reconcile,
// completes it, and once more changes nothing.
func TestKillAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, second := range []string{"the same command", "reconcile"} {
		t.Run(second, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, crashJobs)
			for _, point := range openPoints {
				p.killed(point, "breaker", "open", "--reason", "Apollo 502")
				if second == "reconcile" {
					p.run(0, "reconcile")
				}
				p.run(0, "breaker", "open", "--reason", "Apollo 502")
				if err := p.db.Expect(`SELECT count(*) = $1 FROM jobs WHERE status = 'PAUSED' AND error = 'Paused due to circuit breaker open: Apollo 502'`, crashJobs); err != nil {
					t.Fatalf("%s: %v", point, err)
				}
				if again := p.run(0, "breaker", "open", "--reason", "Apollo 502"); again["changed"] != false || again["jobs_paused"] != 0.0 {
					t.Fatalf("%s: %v", point, again)
				}
				p.run(0, "breaker", "close")
				if err := p.resumed(crashJobs); err != nil {
					t.Fatalf("%s: %v", point, err)
				}
			}
			for _, point := range closePoints {
				p.run(0, "breaker", "open", "--reason", "Apollo 502")
				p.killed(point, "breaker", "close")
				if second == "reconcile" {
					p.run(0, "reconcile")
				}
				p.run(0, "breaker", "close")
				if err := p.resumed(crashJobs); err != nil {
					t.Fatalf("%s: %v", point, err)
				}
				again := p.run(0, "breaker", "close")
				if again["changed"] != false || again["jobs_resumed"] != 0.0 || again["tasks_created"] != 0.0 || again["findings"] != nil {
					t.Fatalf("%s: %v", point, again)
				}
			}
		})
	}
}

// A ramp that is killed stays where it is until a person says so.
func TestKillARamp(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, crashJobs)
	for _, point := range rampPoints {
		p.run(0, "breaker", "open", "--reason", "Apollo 502")
		p.killed(point, "breaker", "close", "--canary", "10", "--canary-wait", "0s", "--batch", "200")
		r := p.run(0, "reconcile")
		if r["jobs_resumed"] != 0.0 {
			t.Fatalf("%s: %v", point, r)
		}
		p.run(4, "queue", "resume")
		p.run(0, "queue", "resume", "--continue")
		if err := p.resumed(crashJobs); err != nil {
			t.Fatalf("%s: %v", point, err)
		}
	}
}

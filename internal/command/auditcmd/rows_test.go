package auditcmd_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// failures writes down n tasks that could not be created.
func (p *platform) failures(first, n int) {
	p.t.Helper()
	p.exec("INSERT INTO leadgenctl.dispatch_failures (job_id, attempts, error) SELECT id, 5, 'full' FROM generate_series($1::int, $2::int) AS id", first, first+n-1)
}

// run makes one audit of the checks that --only names.
func (p *platform) run(only string, args ...string) outcome {
	p.t.Helper()
	o := p.cli.Run(append([]string{"audit", "run", "--only", only, "--settle", "10ms", "--rate-limit", "0", "--fail-on=never", "-o", "json"}, args...)...)
	var out outcome
	if err := decodeText(o.Stdout, &out); err != nil {
		p.t.Fatalf("exit %d: %v: %s%s", o.Code, err, o.Stdout, o.Stderr)
	}
	return out
}

// heard wants one message whose text holds all words.
func (p *platform) heard(words ...string) {
	p.t.Helper()
	got := p.hook.take()
	if len(got) != 1 {
		p.t.Fatalf("want one message with %q, got %+v", words, got)
	}
	for _, w := range words {
		if !strings.Contains(got[0].Text, w) {
			p.t.Errorf("%q is not in %q", w, got[0].Text)
		}
	}
}

// What happened is told to a channel once, whatever failed, was held back or was left out
// meanwhile; and time does not resolve it.
func TestWhatHappenedIsToldOnce(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.run("LGQ014")
	p.silent()
	p.hook.setRefuse(true)
	p.failures(1, 2)
	p.run("LGQ014")
	p.failures(3, 1)
	p.run("LGQ014")
	p.hook.setRefuse(false)
	p.run("LGC001")
	p.silent()
	if o := p.run("LGQ014"); o.Run.Findings != 1 || len(o.Events) != 0 {
		t.Errorf("what no channel knows is a finding, and not news to the log: %+v", o)
	}
	p.heard("NEW LGQ014", ": 3\n", "job 1 ", "job 2 ", "job 3 ")
	if o := p.run("LGQ014"); o.Run.Findings != 0 {
		t.Errorf("what everybody knows is no finding: %+v", o)
	}
	p.silent()
	p.failures(4, 1)
	p.run("LGQ014", "--rate-limit", "1h")
	p.silent()
	p.run("LGQ014")
	p.heard("NEW LGQ014", ": 1\n", "job 4 ")
	p.exec("UPDATE leadgenctl.dispatch_failures SET at = at - interval '1 day'")
	p.run("LGQ014", "--remind", "1ns")
	p.silent()
}

// What a clock that was ahead wrote keeps nothing back.
func TestAClockThatWasAheadHidesNothing(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.failures(1, 2)
	p.run("LGQ014")
	p.heard("NEW LGQ014", ": 2\n")
	p.exec("UPDATE leadgenctl.dispatch_failures SET at = now() - interval '1 hour'")
	p.exec("UPDATE leadgenctl.audit_notices SET since = now() + '1 day', told_at = now() + '1 day', seen = now() + '1 day'")
	p.failures(3, 1)
	p.exec("UPDATE leadgenctl.dispatch_failures SET at = now() - interval '1 hour' WHERE job_id = 3")
	p.run("LGQ014")
	p.heard("NEW LGQ014", ": 1\n", "job 3 ")
	p.exec("UPDATE leadgenctl.audit_notices SET since = now() + '1 day', told_at = now() + '1 day', seen = now() + '1 day'")
	p.failures(4, 1)
	p.run("LGQ014", "--rate-limit", "2s")
	p.silent()
	testenv.Eventually(t, time.Minute, func() error {
		if p.run("LGQ014", "--rate-limit", "2s").Deliveries[0].Status != "sent" {
			return errors.New("the message is held")
		}
		return nil
	})
	p.heard("NEW LGQ014", ": 1\n", "job 4 ")
}

// One channel that was not reached hears what the other knows already.
func TestEachChannelHearsWhatHappened(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	other := newReceiver(t)
	p.cli.Env = append(p.cli.Env, "LEADGENCTL_NOTIFY=team=webhook+"+p.hook.URL+" other=webhook+"+other.URL)
	p.run("LGQ014")
	other.setRefuse(true)
	p.failures(1, 2)
	p.run("LGQ014")
	p.heard("NEW LGQ014", ": 2\n")
	p.failures(3, 1)
	p.run("LGQ014")
	p.heard("NEW LGQ014", ": 1\n", "job 3 ")
	other.setRefuse(false)
	p.run("LGQ014")
	p.silent()
	if got := other.take(); len(got) != 1 || !strings.Contains(got[0].Text, "NEW LGQ014 Tasks could not be created: 3\n") {
		t.Errorf("%+v", got)
	}
}

// An event whose transaction ends after an audit is older than that audit, and news all the same.
func TestALateCommitIsTold(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.run("LGQ014")
	p.exec("INSERT INTO leadgenctl.dispatch_failures (job_id, attempts, error, at) VALUES (7, 5, 'full', now() - interval '1 minute')")
	p.run("LGQ014")
	p.heard("NEW LGQ014", "job 7 ")
}

// What an audit was not asked for, it says nothing about.
func TestALimitedAuditResolvesNothing(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.fault(3)
	p.run(check)
	p.heard("NEW " + check)
	if o := p.run("LGC001"); len(o.Events) != 0 {
		t.Errorf("%+v", o.Events)
	}
	p.silent()
	var d struct{ Events []event }
	p.cli.JSON(&d, 0, "audit", "diff")
	if len(d.Events) != 0 {
		t.Errorf("one has %s, the other LGC001: %+v", check, d.Events)
	}
	if o := p.run(check); len(o.Events) != 0 {
		t.Errorf("nothing has changed since the last audit that looked: %+v", o.Events)
	}
	p.cli.JSON(&d, 0, "audit", "diff")
	if len(d.Events) != 0 {
		t.Errorf("%+v", d.Events)
	}
	p.exec("UPDATE jobs SET completed_at = now()")
	p.run(check)
	p.heard("RESOLVED " + check)
}

// A row that takes the place of another is new, though their number is the same.
func TestAnotherRowIsNew(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.fault(9)
	known := p.cli.Dir + "/known.yaml"
	p.cli.Expect(0, "check-consistency", "--only", check, "--write-baseline", known)
	p.run(check)
	p.heard("NEW "+check, ": 9\n")
	p.exec("UPDATE jobs SET completed_at = now() WHERE id = (SELECT min(id) FROM jobs WHERE completed_at IS NULL)")
	p.fault(1)
	o := p.run(check)
	if len(o.Events) != 1 || o.Events[0].Kind != "new" || o.Events[0].Count != 9 || o.Events[0].Fresh != 1 {
		t.Errorf("%+v", o.Events)
	}
	var last int
	if err := p.db.Pool.QueryRow(t.Context(), "SELECT max(id) FROM jobs").Scan(&last); err != nil {
		t.Fatal(err)
	}
	p.heard("NEW "+check, "9, 1 of them new", fmt.Sprintf("job %d", last))
	var d struct{ Events []event }
	p.cli.JSON(&d, 0, "audit", "diff")
	if len(d.Events) != 1 || d.Events[0].Fresh != 1 {
		t.Errorf("%+v", d.Events)
	}
	p.cli.Expect(1, "check-consistency", "--only", check, "--fail-on", "warning", "--baseline", known)
	p.run(check, "--baseline", known)
	p.silent()
}

// Two hosts share what they told: one that was cut off from PostgreSQL takes nothing back.
func TestAHostThatWasCutOffOverwritesNothing(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.fault(3)
	p.run(check)
	p.heard("NEW " + check)
	state := p.cli.Dir + "/a.json"
	p.run(check, "--state", state)
	env := p.cli.Env
	p.cli.Env = append(append([]string{}, env...), "LEADGENCTL_DATABASE_URL=postgres://nobody@127.0.0.1:1/none")
	p.run(check, "--state", state)
	p.heard("NEW could-not-run")
	p.cli.Env = env
	p.fault(4)
	p.run(check)
	p.heard("WORSE " + check)
	p.run(check, "--state", state)
	if got := p.hook.take(); len(got) != 1 || !strings.Contains(got[0].Text, "RESOLVED could-not-run") || strings.Contains(got[0].Text, check) {
		t.Errorf("the other host told the rest: %+v", got)
	}
	if err := p.db.Expect("SELECT count = 7 FROM leadgenctl.audit_notices WHERE channel = 'team' AND check_id = $1", check); err != nil {
		t.Error(err)
	}
}

// What lies before the first audit is told, also where that could tell nobody.
func TestWhatTheFirstAuditCouldNotTellIsToldLater(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.failures(1, 2)
	p.exec("UPDATE leadgenctl.dispatch_failures SET at = now() - interval '1 hour'")
	p.hook.setRefuse(true)
	p.run("LGQ014")
	p.hook.setRefuse(false)
	p.run("LGQ014")
	p.heard("NEW LGQ014", ": 2\n")
}

// A storm of which not every event can be remembered is told, and not again.
func TestAStormIsToldOnce(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.failures(1, 1500)
	p.run("LGQ014")
	p.heard("NEW LGQ014", ": 1500\n", "job 1500 ")
	if o := p.run("LGQ014"); o.Run.Findings != 0 {
		t.Errorf("%+v", o)
	}
	p.silent()
	p.failures(1501, 2)
	p.run("LGQ014")
	p.heard("NEW LGQ014", ": 2\n", "job 1502 ")
}

package auditcmd_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// told wants one message, of one kind of event with a count.
func (p *platform) told(kind string, count int) {
	p.t.Helper()
	got := p.hook.take()
	if len(got) != 1 || got[0].Event != "audit" || got[0].Title != "leadgenctl audit: 1 "+kind || !strings.Contains(got[0].Text, strings.ToUpper(kind)+" "+check) {
		p.t.Fatalf("want one message of 1 %s (%d), got %+v", kind, count, got)
	}
}

func (p *platform) silent() {
	p.t.Helper()
	if got := p.hook.take(); len(got) != 0 {
		p.t.Fatalf("nobody should have been told: %+v", got)
	}
}

// A channel hears of a finding when it is new, when it grows, when it is resolved, and of
// what stays once a day. Above 1,000 rows growth is a tenth.
func TestAChannelHearsWhatIsNewWorseAndResolved(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	if o := p.audit(0); len(o.Events) != 0 || !o.Stored {
		t.Fatalf("%+v", o)
	}
	p.silent()
	p.fault(20)
	if o := p.audit(0, "--fail-on", "error"); len(o.Events) != 1 || o.Events[0].Kind != "new" || o.Events[0].Count != 20 || len(o.Events[0].Samples) != 5 || o.Deliveries[0].Status != "sent" {
		t.Fatalf("%+v", o)
	}
	p.told("new", 20)
	if o := p.audit(1, "--fail-on", "warning"); o.Run.Findings != 1 || o.Deliveries[0].Status != "silent" {
		t.Fatalf("the same again: %+v", o)
	}
	p.fault(2)
	p.audit(0)
	p.told("worse", 22)
	p.audit(0, "--remind", "1ns")
	p.told("reminder", 22)
	p.audit(0)
	p.silent()
	p.fault(1500)
	p.audit(0)
	p.told("worse", 1522)
	p.fault(1)
	p.audit(0)
	p.silent()
	p.fault(200)
	p.audit(0)
	p.told("worse", 1723)
	p.exec("UPDATE jobs SET completed_at = now()")
	p.audit(0)
	p.told("resolved", 0)
	p.audit(0)
	p.silent()
}

// What a channel refuses, or is told too soon after the last message, comes with a later audit.
func TestNoFindingIsLostWithAMessage(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.fault(10)
	p.hook.setRefuse(true)
	o := p.audit(5)
	if d := o.Deliveries[0]; d.Status != "failed" || d.Error != "the webhook answered 403 Forbidden" || strings.Contains(d.Error, p.hook.URL) {
		t.Fatalf("%+v", o)
	}
	p.hook.setRefuse(false)
	p.audit(0)
	p.told("new", 10)
	p.exec("UPDATE jobs SET completed_at = now()")
	if o := p.audit(0, "--rate-limit", "1h"); o.Deliveries[0].Status != "held" {
		t.Fatalf("%+v", o)
	}
	p.silent()
	p.audit(0)
	p.told("resolved", 0)
}

// A finding that is over before its message could be delivered is told once all the same.
func TestWhatIsOverBeforeItCouldBeToldIsTold(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	const over = ": it was there, and is over before it could be told"
	resolved := func(id string, code int) {
		t.Helper()
		if o := p.audit(code); len(o.Deliveries[0].Events) != 1 {
			t.Errorf("%+v", o.Deliveries)
		}
		got := p.hook.take()
		if len(got) != 1 || got[0].Title != "leadgenctl audit: 1 resolved" || !strings.HasPrefix(got[0].Text, "RESOLVED "+id) || !strings.HasSuffix(got[0].Text, over) {
			t.Errorf("%+v", got)
		}
		p.audit(0)
		p.silent()
	}
	p.hook.setRefuse(true)
	p.fault(3)
	p.audit(5)
	p.fault(1)
	p.audit(5)
	p.exec("UPDATE jobs SET completed_at = now()")
	p.audit(5)
	p.hook.setRefuse(false)
	resolved(check, 0)
	p.fault(1)
	if o := p.audit(0, "--rate-limit", "1h"); o.Deliveries[0].Status != "held" {
		t.Errorf("%+v", o)
	}
	p.exec("UPDATE jobs SET completed_at = now()")
	resolved(check, 0)
	p.fault(1500)
	p.audit(0, "--rate-limit", "1h")
	p.audit(0)
	p.told("new", 1500)
	p.exec("UPDATE jobs SET completed_at = now()")
	p.audit(0)
	p.told("resolved", 0)
	env := p.cli.Env
	p.cli.Env = append(append([]string{}, env...), "LEADGENCTL_DATABASE_URL=postgres://nobody@127.0.0.1:1/none")
	p.hook.setRefuse(true)
	p.audit(3)
	p.hook.setRefuse(false)
	p.cli.Env = env
	resolved("could-not-run", 0)
}

// PostgreSQL is away: told once, with what Redis still shows; the news that it is back follows.
func TestPostgresAwayIsToldOnce(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.fault(10)
	p.audit(0)
	p.told("new", 10)
	env := p.cli.Env
	p.cli.Env = append(append([]string{}, env...), "LEADGENCTL_DATABASE_URL=postgres://nobody@127.0.0.1:1/none")
	if o := p.audit(3); o.Stored || len(o.Deliveries[0].Events) != 1 || o.Deliveries[0].Events[0].Check != "could-not-run" {
		t.Fatalf("%+v", o)
	}
	if got := p.hook.take(); len(got) != 1 || !strings.Contains(got[0].Text, "NEW could-not-run") {
		t.Fatalf("%+v", got)
	}
	p.audit(3)
	p.silent()
	p.cli.Env = env
	p.audit(0)
	if got := p.hook.take(); len(got) != 1 || !strings.Contains(got[0].Text, "RESOLVED could-not-run") || strings.Contains(got[0].Text, check) {
		t.Fatalf("%+v", got)
	}
	p.audit(0)
	p.silent()
}

// A second audit does nothing, says so, and ends well.
func TestASecondAuditLeavesAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	tx, err := p.db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), "SELECT pg_advisory_xact_lock(x'6c65616467656e61'::bigint)"); err != nil {
		t.Fatal(err)
	}
	if o := p.audit(0); !strings.HasPrefix(o.Busy, "another audit runs: process ") || o.Run.ID != 0 {
		t.Fatalf("%+v", o)
	}
	if out := p.cli.Expect(0, "audit", "run").Stdout; !strings.HasPrefix(out, "Nothing was done: another audit runs: process ") {
		t.Error(out)
	}
	if err := p.db.Expect("SELECT count(*) = 0 FROM leadgenctl.audit_runs"); err != nil {
		t.Error(err)
	}
}

// A health check hears the start and the end of each audit, with the id of the run.
func TestTheHealthCheckIsPinged(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.cli.Env = append(p.cli.Env, "LEADGENCTL_PING_URL="+p.hook.URL+"/ping/0000")
	p.audit(0)
	p.fault(1)
	p.audit(1, "--fail-on", "warning")
	if len(p.hook.pings) != 4 {
		t.Fatalf("%v", p.hook.pings)
	}
	for i, want := range []string{"/ping/0000/start?rid=", "/ping/0000?rid=", "/ping/0000/start?rid=", "/ping/0000/fail?rid="} {
		if !strings.HasPrefix(p.hook.pings[i], want) {
			t.Errorf("ping %d is %s, want %s", i, p.hook.pings[i], want)
		}
	}
	rid := func(i int) string { _, id, _ := strings.Cut(p.hook.pings[i], "rid="); return id[:36] }
	if rid(0) != rid(1) || rid(2) != rid(3) || rid(0) == rid(2) || !strings.HasSuffix(p.hook.pings[3], "1 findings, 0 checks could not run") {
		t.Errorf("%v", p.hook.pings)
	}
}

// The textfile is what promtool accepts, and remembers the last success while servers are away.
func TestTheTextfile(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	file := filepath.Join(t.TempDir(), "leadgenctl.prom")
	p.audit(0, "--textfile", file)
	before := success(t, file)
	p.cli.Env = append(p.cli.Env, "LEADGENCTL_DATABASE_URL=postgres://nobody@127.0.0.1:1/none")
	p.audit(3, "--textfile", file)
	if after := success(t, file); before == "" || strings.HasSuffix(before, " 0") || before != after {
		t.Errorf("last success: %q, then %q", before, after)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is needed: make setup installs it")
	}
	data, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = data
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if o := p.audit(3, "--textfile", filepath.Join(t.TempDir(), "none", "x.prom")); o.Run.Errors == 0 {
		t.Errorf("%+v", o)
	}
}

func success(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "leadgenctl_audit_last_success_timestamp_seconds ") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// A program gets the message on its standard input, PagerDuty an incident for each
// finding, which the resolution ends.
func TestOtherChannels(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	events := make(chan map[string]any, 4)
	const key = "0123456789abcdef0123456789abcdef"
	pager := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := decode(t, r)
		if r.Method != http.MethodPost || r.URL.Path != "/v2/enqueue" || e["routing_key"] != key {
			t.Errorf("%s %s: %v", r.Method, r.URL, e)
		}
		events <- e
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(pager.Close)
	heard := filepath.Join(t.TempDir(), "heard")
	p.cli.Env = append(p.cli.Env, "SSL_CERT_FILE="+certificate(t, pager),
		"LEADGENCTL_NOTIFY=log=exec:/usr/bin/tee%20"+heard+" pager=pagerduty://"+strings.TrimPrefix(pager.URL, "https://")+"/"+key)
	p.fault(3)
	if o := p.audit(0); len(o.Deliveries) != 2 || o.Deliveries[0].Status != "sent" || o.Deliveries[1].Status != "sent" {
		t.Fatalf("%+v", o)
	}
	if data, err := os.ReadFile(heard); err != nil || !strings.Contains(string(data), `"title":"leadgenctl audit: 1 new"`) {
		t.Errorf("%s, %v", data, err)
	}
	if e := <-events; e["event_action"] != "trigger" || e["dedup_key"] != "leadgenctl/audit/"+check {
		t.Errorf("%v", e)
	}
	p.exec("UPDATE jobs SET completed_at = now()")
	p.audit(0)
	if e := <-events; e["event_action"] != "resolve" || e["dedup_key"] != "leadgenctl/audit/"+check {
		t.Errorf("%v", e)
	}
}

func TestBadSettingsChangeNothing(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.fault(1)
	plain := p.cli.Env
	for want, set := range map[string]struct {
		env  string
		args []string
	}{
		"http:// is not known":             {env: "LEADGENCTL_NOTIFY=team=http://user:hunter2@host"},
		"is not of the form name=URL":      {env: "LEADGENCTL_NOTIFY=slack://hook:hunter2@webhook"},
		"address lacks something":          {env: "LEADGENCTL_NOTIFY=team=pagerduty:///hunter2"},
		"its matrix:// address lacks":      {env: "LEADGENCTL_NOTIFY=team=matrix://user:hunter2@host?colour=red"},
		"a room has no name":               {env: "LEADGENCTL_NOTIFY=team=matrix://user:hunter2@host?rooms=a,,b"},
		"its gotify:// address lacks":      {env: "LEADGENCTL_NOTIFY=team=gotify:///hunter2"},
		"needs webhook-secret":             {env: "LEADGENCTL_WEBHOOK_SECRET="},
		"names no program":                 {env: "LEADGENCTL_NOTIFY=team=exec:"},
		"ping-url is no http or https URL": {env: "LEADGENCTL_PING_URL=hunter2"},
		"ping-url is no http or https":     {env: "LEADGENCTL_PING_URL=httpx://host/hunter2"},
		"a webhook needs a host":           {env: "LEADGENCTL_NOTIFY=team=webhook+https://:80/hunter2"},
		"--keep must be positive":          {args: []string{"--keep", "0"}},
		"--max-open must be positive":      {args: []string{"--max-open", "-5s"}},
		"no duration such as":              {args: []string{"--keep", "3 days"}},
		"--textfile must end in .prom":     {args: []string{"--textfile", "none/leadgenctl.txt"}},
		"--rate-limit cannot be negative":  {args: []string{"--rate-limit", "-5s"}},
		"it leaves no check to run":        {args: []string{"--skip", "*"}},
		"read the environment file":        {args: []string{"--env-file", "none"}},
		"--fail-on is error":               {args: []string{"--fail-on", "x"}},
		"read the baseline":                {args: []string{"--baseline", "none.yaml"}},
		"unknown output format":            {args: []string{"-o", "junit"}},
		"no such check, family or pattern": {args: []string{"--only", "LGX"}},
	} {
		p.cli.Env = append(append([]string{}, plain...), set.env)
		o := p.cli.Run(append([]string{"audit", "run"}, set.args...)...)
		if o.Code != 2 || !strings.Contains(o.Stderr, want) || strings.Contains(o.Stderr, "hunter2") {
			t.Errorf("%v: exit %d, %s; want %s", set, o.Code, o.Stderr, want)
		}
	}
	p.silent()
	if err := p.db.Expect("SELECT count(*) = 0 FROM leadgenctl.audit_runs"); err != nil {
		t.Error(err)
	}
}

func TestHistoryAndDiff(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.cli.Expect(0, "audit", "history")
	if o := p.cli.Expect(4, "audit", "diff"); !strings.Contains(o.Stderr, "not two audits") {
		t.Error(o.Stderr)
	}
	first := p.audit(0).Run.ID
	p.fault(7)
	second := p.audit(0).Run.ID
	var h struct {
		Audits []struct{ ID, Findings int }
	}
	p.cli.JSON(&h, 0, "audit", "history", "--limit", "2")
	if len(h.Audits) != 2 || h.Audits[0].ID != second || h.Audits[0].Findings != 1 || h.Audits[1].ID != first {
		t.Errorf("%+v", h)
	}
	var d struct{ Events []event }
	p.cli.JSON(&d, 0, "audit", "diff")
	if len(d.Events) != 1 || d.Events[0].Kind != "new" || d.Events[0].Count != 7 {
		t.Errorf("%+v", d)
	}
	p.cli.JSON(&d, 0, "audit", "diff", itoa(second), itoa(first))
	if len(d.Events) != 1 || d.Events[0].Kind != "resolved" {
		t.Errorf("%+v", d)
	}
	if o := p.cli.Expect(0, "audit", "diff", itoa(first), itoa(first)); !strings.Contains(o.Stdout, "found the same") {
		t.Error(o.Stdout)
	}
	p.cli.Expect(4, "audit", "diff", itoa(first), "99999")
	p.cli.Expect(2, "audit", "diff", "x", "1")
	p.cli.Expect(2, "audit", "diff", "1")
	p.cli.Expect(2, "audit", "history", "--limit", "0")
	p.exec("UPDATE leadgenctl.audit_runs SET started_at = started_at - interval '91 days' WHERE id = $1", first)
	p.audit(0, "--keep", "92d", "--remind", "1d")
	if err := p.db.Expect("SELECT count(*) = 1 FROM leadgenctl.audit_runs WHERE id = $1", first); err != nil {
		t.Errorf("--keep 92d: %v", err)
	}
	p.audit(0)
	if err := p.db.Expect("SELECT count(*) = 0 FROM leadgenctl.audit_runs WHERE id = $1", first); err != nil {
		t.Errorf("runs are kept for 90 days: %v", err)
	}
}

// Without our schema nothing can be kept, but everything is told, once.
func TestWithoutTheSchemaTheStateFileKeepsWhatWasTold(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.exec("DROP SCHEMA leadgenctl CASCADE")
	p.fault(4)
	o := p.audit(5)
	if o.Stored || o.Deliveries[0].Status != "sent" {
		t.Fatalf("%+v", o)
	}
	p.told("new", 4)
	p.audit(5)
	p.silent()
}

// Without our tables an audit tells what it finds, and how they are installed.
func TestAnAuditWithoutOurTablesSaysHowToInstallThem(t *testing.T) {
	t.Parallel()
	cli := testenv.NewCLI(t, testenv.NewDatabase(t).URL, testenv.NewRedis(t).URL)
	if r := cli.Expect(5, "audit", "run", "--fail-on=never"); !strings.Contains(r.Stderr, "leadgenctl migrate up --to base") || !strings.Contains(r.Stdout, "not kept") {
		t.Errorf("%s%s", r.Stdout, r.Stderr)
	}
}

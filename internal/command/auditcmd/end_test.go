package auditcmd_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// An audit that is interrupted tells nobody of half a look, except the health check, that it failed.
func TestAnInterruptedAuditTellsNobody(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.fault(3)
	file := filepath.Join(t.TempDir(), "leadgenctl.prom")
	p.cli.Env = append(p.cli.Env, "LEADGENCTL_PING_URL="+p.hook.URL+"/ping/0000")
	tx, err := p.db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), "LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	cmd := p.cli.Command("audit", "run", "--only", check, "--textfile", file, "-o", "json")
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, time.Minute, func() error {
		return p.db.Expect("SELECT count(*) > 0 FROM pg_locks WHERE relation = 'jobs'::regclass AND NOT granted")
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || out.Len() != 0 {
		t.Errorf("exit %d: %s%s", code, out.String(), errOut.String())
	}
	p.silent()
	if _, err := os.Stat(file); err == nil {
		t.Error("a textfile was written")
	}
	if len(p.hook.pings) != 2 || !strings.HasPrefix(p.hook.pings[0], "/ping/0000/start?") || !strings.HasPrefix(p.hook.pings[1], "/ping/0000/fail?") {
		t.Errorf("%v", p.hook.pings)
	}
	_ = tx.Rollback(t.Context())
	p.audit(0)
	p.told("new", 3)
}

// A PostgreSQL that freezes once the checks are done does not hold the audit; what was told is kept.
func TestAFrozenPostgresHoldsNoAudit(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.fault(3)
	c := p.db.Pool.Config().ConnConfig
	proxy := testenv.StartProxy(t, net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))))
	frozen := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if err := proxy.Hang(); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(frozen.Close)
	env := p.cli.Env
	p.cli.Env = append(append([]string{}, env...), "LEADGENCTL_TIMEOUT=1s", "LEADGENCTL_NOTIFY=team=webhook+"+frozen.URL,
		fmt.Sprintf("LEADGENCTL_DATABASE_URL=postgres://%s@%s/%s?sslmode=disable", c.User, proxy.Addr(), c.Database))
	if o := p.audit(5); o.Stored || o.Deliveries[0].Status != "sent" {
		t.Errorf("%+v", o)
	}
	p.cli.Env = env
	proxy.Cut() // the server sees the end of the connection that held the lock
	testenv.Eventually(t, time.Minute, func() error {
		return p.db.Expect("SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
	})
	if o := p.audit(0); len(o.Deliveries) != 1 || o.Deliveries[0].Status != "silent" {
		t.Errorf("it was told already: %+v", o)
	}
}

// The line for cron works as it is printed, with a file that a shell would not understand.
func TestTheCronLineRuns(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.fault(3)
	file := filepath.Join(t.TempDir(), "env")
	text := "# addresses\n"
	for _, e := range append(p.cli.Env, "LEADGENCTL_NOTIFY=team=webhook+"+p.hook.URL+"/a?b=c&d=e log=exec:/bin/true%20a&b") {
		text += e + "\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	printed := p.cli.Expect(0, "audit", "install", "--cron", "--env-file", file, "--textfile", file+".prom", "--binary", testenv.Binary(t)).Stdout
	m := regexp.MustCompile(`(?m)^\*/15 \* \* \* \* leadgenctl (.*)$`).FindStringSubmatch(printed)
	if m == nil {
		t.Fatal(printed)
	}
	cmd := exec.Command("/bin/sh", "-c", strings.Replace(m[1], "--jitter=30s", "--only="+check, 1))
	cmd.Dir = p.cli.Dir
	cmd.Env = []string{"HOME=" + p.cli.Dir, "PATH=" + os.Getenv("PATH"), "SHELL=/bin/sh"}
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
	p.told("new", 3)
	if err := p.db.Expect("SELECT count(*) = 1 FROM leadgenctl.audit_runs"); err != nil {
		t.Error(err)
	}
}

package checkcmd_test

import (
	"bytes"
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// halfWay starts a run that stands still: another session holds the jobs.
func halfWay(t *testing.T, args ...string) (cmd *exec.Cmd, proxy *servers.Proxy, out *bytes.Buffer) {
	t.Helper()
	db, redis := testenv.NewOldPlatform(t)
	u, err := url.Parse(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy = testenv.StartProxy(t, u.Host)
	holder, err := db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = holder.Rollback(context.Background()) })
	if _, err := holder.Exec(t.Context(), "LOCK TABLE jobs"); err != nil {
		t.Fatal(err)
	}
	out = &bytes.Buffer{}
	cmd = exec.Command(testenv.Binary(t), append([]string{"check-consistency", "--settle", "50ms", "--timeout", "1s", "-o", "json"}, args...)...)
	cmd.Dir, cmd.Stdout = t.TempDir(), out
	cmd.Env = []string{"HOME=" + cmd.Dir, "PATH=" + os.Getenv("PATH"), "LEADGENCTL_REDIS_URL=" + redis.URL,
		"LEADGENCTL_DATABASE_URL=" + strings.Replace(db.URL, u.Host, proxy.Addr(), 1)}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, time.Minute, func() error {
		return db.Expect("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'leadgenctl' AND wait_event_type = 'Lock')")
	})
	return cmd, proxy, out
}

// A run that is interrupted says nothing, and exits with 130.
func TestAnInterruptedRunWritesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		signal syscall.Signal
		hang   bool
	}{"Ctrl-C": {syscall.SIGINT, false}, "SIGTERM": {syscall.SIGTERM, false}, "SIGTERM while PostgreSQL hangs": {syscall.SIGTERM, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd, proxy, out := halfWay(t, "-o", "junit=report.xml")
			if c.hang {
				if err := proxy.Hang(); err != nil {
					t.Fatal(err)
				}
			}
			sent := time.Now()
			if err := cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 130 || out.Len() > 0 || time.Since(sent) > 10*time.Second {
				t.Errorf("exit %d after %v: %s", code, time.Since(sent), out)
			}
			if left, _ := filepath.Glob(filepath.Join(cmd.Dir, "*report*")); len(left) > 0 {
				t.Errorf("written: %v", left)
			}
		})
	}
}

// A server that falls silent in the middle of a run ends neither the run nor the report.
func TestARunOutlivesAServerThatHangs(t *testing.T) {
	t.Parallel()
	cmd, proxy, out := halfWay(t, "--statement-timeout", "10s")
	if err := proxy.Hang(); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 3 || time.Since(started) > time.Minute {
		t.Errorf("exit %d after %v: %s", code, time.Since(started), out)
	}
	for _, c := range decode(t, out.String()).Checks {
		if c.ID == "LGB004" && c.Status != "fail" || c.ID == "LGC001" && c.Status != "error" {
			t.Errorf("%+v", c)
		}
	}
}

package checkcmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sys/unix"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// shell runs the built binary as CI does.
type shell struct {
	db, redis string
	dir       string
}

func (s shell) run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := s.command(t, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

func (s shell) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", `umask 027; exec "$0" "$@"`, testenv.Binary(t), "check-consistency", "--settle", "50ms", "--timeout", "3s"}, args...)...)
	cmd.Dir = s.dir
	cmd.Env = []string{"HOME=" + s.dir, "PATH=" + os.Getenv("PATH"), "LEADGENCTL_WORKERS_RETURN=0s", "LEADGENCTL_DATABASE_URL=" + s.db, "LEADGENCTL_REDIS_URL=" + s.redis}
	return cmd
}

type report struct {
	Checks []struct {
		ID, Title, Severity, Status, Remedy, Message string
		Count                                        int
		Samples                                      []string
		DurationMS                                   *float64 `json:"duration_ms"`
	}
	Summary struct{ Pass, Fail, Error, Skip int }
}

func decode(t *testing.T, out string) (r report) {
	t.Helper()
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return r
}

func oldPlatform(t *testing.T) shell {
	db, redis := testenv.NewOldPlatform(t)
	return shell{db.URL, redis.URL, t.TempDir()}
}

func TestOldPlatformHasFindings(t *testing.T) {
	t.Parallel()
	s := oldPlatform(t)
	out, _, code := s.run(t, "-o", "json")
	r := decode(t, out)
	status := map[string]string{}
	for _, c := range r.Checks {
		status[c.ID] = c.Status
		if c.Title == "" || c.Remedy == "" || c.DurationMS == nil || c.Samples == nil || len(c.Samples) > 5 {
			t.Errorf("%+v", c)
		}
		if c.Severity != "info" && (c.Status == "fail") != (c.Count > 0) {
			t.Errorf("%+v", c)
		}
	}
	for _, id := range []string{"LGB001", "LGB004", "LGB005", "LGQ002", "LGC001", "LGC002"} {
		if status[id] != "fail" {
			t.Errorf("%s: %q", id, status[id])
		}
	}
	if code != 1 || r.Summary.Fail < 6 || r.Summary.Error != 0 {
		t.Errorf("exit %d, %+v", code, r.Summary)
	}
}

func TestSelectionAndFailOn(t *testing.T) {
	t.Parallel()
	s := oldPlatform(t)
	for _, c := range []struct {
		args string
		code int
	}{
		{"--only LGC001", 1}, {"--only LGC001 --fail-on=never", 0}, {"--only LGC002", 0}, {"--only lgc002 --fail-on=warning", 1},
		{"--only LGC* --skip LGC001", 0}, {"--only campaign", 1}, {"--only LGQ003,LGC003", 0},
		{"--only LGX001", 2}, {"--skip nonsense", 2}, {"--fail-on=info", 2}, {"--only [", 2}, {"-o xml", 2}, {"-o json -o table", 2},
		{"-o json=", 2}, {"--max-samples 0", 2}, {"extra", 2}, {"--skip *", 2}, {"--only LGC001 --skip campaign", 2},
		{"-o json=x -o junit=./x", 2}, {"--max-open=-5s", 2}, {"--max-pending=0s", 2}, {"--visibility-timeout=0s", 2},
		{"--only=", 2}, {"--skip=", 2}, {"--only= --only LGC002", 2}, {"--fix --dry-run --only=", 2},
		{"--only LGC002 --statement-timeout 999us", 2}, {"--only LGC002 --statement-timeout 2147483648ms", 2},
		{"--only LGC002 --statement-timeout 2147483647ms", 0},
	} {
		if out, msg, code := s.run(t, strings.Fields(c.args)...); code != c.code || code == 2 && (msg == "" || out != "") {
			t.Errorf("%s: exit %d, want %d: %s%s", c.args, code, c.code, out, msg)
		}
	}
	out, _, _ := s.run(t, "--only", "LGC00?", "--skip", "LGC001", "-o", "json")
	if r := decode(t, out); len(r.Checks) != 7 || r.Summary.Skip != 1 || r.Checks[0].Status != "skip" {
		t.Errorf("%+v", r)
	}
	out, _, _ = s.run(t, "--only", "LGC001", "--max-samples", "1", "-o", "json")
	if r := decode(t, out); r.Checks[0].Count != 2 || len(r.Checks[0].Samples) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestSeveralOutputs(t *testing.T) {
	t.Parallel()
	s := oldPlatform(t)
	out, _, code := s.run(t, "-o", "table", "-o", "json=report.json", "-o", "yaml=report.yaml")
	if code != 1 || !strings.Contains(out, "LGC001") || !strings.Contains(out, "What to do") {
		t.Errorf("exit %d: %s", code, out)
	}
	data, err := os.ReadFile(filepath.Join(s.dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	if r := decode(t, string(data)); r.Summary.Fail == 0 {
		t.Errorf("%+v", r.Summary)
	}
	if info, err := os.Stat(filepath.Join(s.dir, "report.json")); err != nil || info.Mode() != 0o640 {
		t.Errorf("%v %v: the umask is 027", info.Mode(), err)
	}
	if y, err := os.ReadFile(filepath.Join(s.dir, "report.yaml")); err != nil || !strings.Contains(string(y), "id: LGC001") {
		t.Errorf("%v: %s", err, y)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, ".*")); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	if _, msg, code := s.run(t, "-o", "json=no/such/folder/x.json"); code != 2 || !strings.Contains(msg, "no/such/folder") {
		t.Errorf("exit %d: %s", code, msg)
	}
}

// One output that fails takes no other with it, and is no finding.
func TestEachOutputIsTried(t *testing.T) {
	t.Parallel()
	s := oldPlatform(t)
	at := func(name string) string { return filepath.Join(s.dir, name) }
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	cmd := s.command(t, "-o", "table", "-o", "json=kept.json", "--write-baseline", "known.yaml")
	cmd.Stdout = write // whose reader has gone
	_ = cmd.Run()
	write.Close()
	for _, name := range []string{"kept.json", "known.yaml"} {
		if _, err := os.Stat(at(name)); err != nil {
			t.Error(err)
		}
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	cmd = s.command(t, "-o", "json")
	cmd.Stdout = full
	if _ = cmd.Run(); cmd.ProcessState.ExitCode() != 2 {
		t.Errorf("standard output is full: exit %d", cmd.ProcessState.ExitCode())
	}

	// The folder goes away while the first report is written.
	if err := errors.Join(os.Mkdir(at("gone"), 0o755), syscall.Mkfifo(at("slow"), 0o600)); err != nil {
		t.Fatal(err)
	}
	slow, err := os.OpenFile(at("slow"), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := unix.FcntlInt(slow.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(int(slow.Fd()), true); err != nil {
		t.Fatal(err)
	}
	cmd = s.command(t, "-o", "json=slow", "-o", "yaml=gone/x.yaml", "-o", "junit=kept.xml", "-o", "table")
	var out, msg bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &msg
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 20*time.Second, func() error {
		_, err := slow.Read(make([]byte, 1))
		return err
	})
	if err := os.Remove(at("gone")); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 20*time.Second, func() error {
		if _, err := slow.Read(make([]byte, 1<<16)); err != io.EOF {
			return fmt.Errorf("the report goes on (%v)", err)
		}
		return nil
	})
	_ = cmd.Wait()
	if _, err := os.Stat(at("kept.xml")); err != nil || !strings.Contains(out.String(), "LGC001") || !strings.Contains(msg.String(), "gone/x.yaml") || cmd.ProcessState.ExitCode() != 2 {
		t.Errorf("exit %d, %v: %s%s", cmd.ProcessState.ExitCode(), err, out.String(), msg.String())
	}
}

// One file for two things is refused before anything is written, whatever it is called.
func TestOneFileForTwoThings(t *testing.T) {
	t.Parallel()
	s := oldPlatform(t)
	at := func(name string) string { return filepath.Join(s.dir, name) }
	if _, msg, code := s.run(t, "--write-baseline", "known.yaml"); code != 0 {
		t.Fatalf("exit %d: %s", code, msg)
	}
	before, err := os.ReadFile(at("known.yaml"))
	if err = errors.Join(err, os.Mkdir(at("folder"), 0o755), os.Symlink("folder", at("other")), os.Symlink("known.yaml", at("link")), os.Link(at("known.yaml"), at("hard"))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
	}{
		{"-o json=folder/x -o yaml=other/x", 2}, {"-o json=hard -o yaml=known.yaml", 2}, {"-o json=known.yaml --baseline known.yaml", 2},
		{"-o json=link --baseline known.yaml", 2}, {"-o json=./known.yaml --write-baseline hard", 2},
		{"-o json=folder/x -o yaml=folder/y", 1}, {"--baseline known.yaml --write-baseline ./known.yaml", 0},
	} {
		_, msg, code := s.run(t, strings.Fields(c.args)...)
		if now, err := os.ReadFile(at("known.yaml")); code != c.code || err != nil || !bytes.Equal(before, now) {
			t.Errorf("%s: exit %d: %s (%v)", c.args, code, msg, err)
		}
	}
	if _, err := os.Stat(at("folder/x")); err != nil {
		t.Error(err)
	}
}

func TestServerAwayIsAnErrorAndNoPass(t *testing.T) {
	t.Parallel()
	s := oldPlatform(t)
	away := "redis://127.0.0.1:1/0"
	noRedis := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(noRedis.Close)
	bouncer, err := url.Parse(testenv.StartPgBouncer(t, testenv.NewEmptyDatabase(t), 1))
	if err != nil {
		t.Fatal(err)
	}
	bouncer.RawQuery = "options=-crole%3Dnone" // a start parameter that it refuses
	for name, c := range map[string]struct {
		shell shell
		works string // a check that still runs
		fails string
	}{
		"Redis":      {shell{s.db, away, s.dir}, "LGC001", "LGB001"},
		"PostgreSQL": {shell{"postgresql://postgres@127.0.0.1:1/x", s.redis, s.dir}, "LGB001", "LGC001"},
		// They are there and refuse, each in words that the tool does not know.
		"a busy Redis":           {shell{s.db, busyRedis(t), s.dir}, "LGC001", "LGB001"},
		"what is no Redis":       {shell{s.db, strings.Replace(noRedis.URL, "http", "redis", 1), s.dir}, "LGC001", "LGB001"},
		"PgBouncer, by its word": {shell{bouncer.String(), s.redis, s.dir}, "LGB001", "LGC001"},
	} {
		out, msg, code := c.shell.run(t, "-o", "json")
		if code != 3 || out == "" {
			t.Errorf("%s away: exit %d: %s", name, code, msg)
			continue
		}
		r := decode(t, out)
		for _, check := range r.Checks {
			if check.ID == c.works && check.Status != "fail" || check.ID == c.fails && (check.Status != "error" || check.Message == "") {
				t.Errorf("%s away: %+v", name, check)
			}
		}
	}
	if _, msg, code := (shell{"nonsense", s.redis, s.dir}).run(t); code != 2 || msg == "" {
		t.Errorf("bad URL: exit %d %s", code, msg)
	}
	empty := testenv.NewEmptyDatabase(t)
	out, _, code := shell{empty.URL, s.redis, s.dir}.run(t, "-o", "json", "--only", "LGC001,LGQ003")
	if r := decode(t, out); code != 3 || r.Summary.Error != 2 {
		t.Errorf("a database without the platform's tables: exit %d, %+v", code, r.Summary)
	}
}

// busyRedis runs a script that does not end.
func busyRedis(t *testing.T) (url string) {
	r := testenv.StartRedis(t, "--busy-reply-threshold", "1")
	client := redis.NewClient(&redis.Options{Addr: r.Addr(), MaxRetries: -1, ReadTimeout: time.Minute})
	go func() { client.Eval(context.Background(), "while true do end", nil) }()
	t.Cleanup(func() { client.Close() })
	testenv.Eventually(t, 10*time.Second, func() error {
		if err := client.Ping(context.Background()).Err(); err == nil || !strings.HasPrefix(err.Error(), "BUSY") {
			return fmt.Errorf("it is not busy: %v", err)
		}
		return nil
	})
	return r.URL(0)
}

func TestListAndExplain(t *testing.T) {
	t.Parallel()
	s := shell{dir: t.TempDir()} // no server is asked
	run := func(args ...string) (string, int) {
		cmd := exec.Command(testenv.Binary(t), append([]string{"check-consistency"}, args...)...)
		cmd.Dir = s.dir
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	if out, code := run("list"); code != 0 || !strings.Contains(out, "LGC001") {
		t.Errorf("%d %s", code, out)
	}
	if out, code := run("explain", "lgc001"); code != 0 || !strings.Contains(out, "resolve-paused") || !strings.Contains(out, "SELECT") {
		t.Errorf("%d %s", code, out)
	}
	if out, code := run("explain", "LGC999"); code != 2 || !strings.Contains(out, "list") {
		t.Errorf("%d %s", code, out)
	}
}

func TestHealthyPlatformPasses(t *testing.T) {
	t.Parallel()
	db, redis := testenv.NewDatabase(t), testenv.StartRedis(t, "--appendonly", "yes")
	m, err := schema.New(db.Pool, schema.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Up(t.Context(), schema.Latest); err != nil {
		t.Fatal(err)
	}
	s := shell{db.URL, redis.URL(0), t.TempDir()}
	for _, verb := range [][]string{{"breaker", "open", "--reason", "r"}, {"breaker", "close", "--reason", "r"}} {
		cmd := exec.Command(testenv.Binary(t), append(verb, "--database-url", s.db, "--redis-url", s.redis)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v %s", verb, err, out)
		}
	}
	db.NewCampaign(t, "RUNNING", testenv.Job{})
	out, msg, code := s.run(t, "--fail-on=warning", "-o", "json")
	if r := decode(t, out); code != 0 || r.Summary.Fail+r.Summary.Error != 0 {
		t.Errorf("exit %d: %s %s", code, out, msg)
	}
}

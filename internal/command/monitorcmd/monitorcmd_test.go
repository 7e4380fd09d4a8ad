package monitorcmd_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/notify"
	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// wait is a limit that only a failure reaches.
const wait = time.Minute

type platform struct {
	t     *testing.T
	db    *testenv.Database
	redis *servers.Redis
	cli   *testenv.CLI

	mu       sync.Mutex
	messages []notify.Message
	refuse   bool
	tooLarge string // messages with this in their title are refused for good
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{t: t, db: testenv.NewDatabase(t), redis: testenv.StartRedis(t)}
	m, err := schema.New(p.db.Pool, schema.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Up(t.Context(), schema.Base); err != nil {
		t.Fatal(err)
	}
	hook := httptest.NewServer(http.HandlerFunc(p.receive))
	t.Cleanup(hook.Close)
	p.cli = testenv.NewCLI(t, p.db.URL, p.redis.URL(0))
	p.cli.Env = append(p.cli.Env, "LEADGENCTL_NOTIFY=team=webhook+"+hook.URL, "LEADGENCTL_WEBHOOK_SECRET=x")
	return p
}

func (p *platform) receive(w http.ResponseWriter, r *http.Request) {
	var m notify.Message
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		p.t.Error(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse {
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	if p.tooLarge != "" && strings.Contains(m.Title, p.tooLarge) {
		http.Error(w, "no", http.StatusRequestEntityTooLarge)
		return
	}
	p.messages = append(p.messages, m)
}

func (p *platform) setRefuse(refuse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = refuse
}

// running is a monitor at work.
type running struct {
	t       *testing.T
	cmd     *exec.Cmd
	address string
}

var listening = regexp.MustCompile(`metrics at (http://\S+)/metrics`)

func (p *platform) start(args ...string) *running {
	p.t.Helper()
	cmd := p.cli.Command(append([]string{"monitor", "--listen", "127.0.0.1:0", "--interval", "100ms"}, args...)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	r := &running{t: p.t, cmd: cmd}
	p.t.Cleanup(r.stop)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			r.address = m[1]
			break
		}
	}
	if r.address == "" {
		p.t.Fatal("the monitor did not say where it listens")
	}
	go func() { _, _ = io.Copy(io.Discard, stderr) }()
	testenv.Eventually(p.t, wait, func() error { return r.healthy(http.StatusOK) })
	return r
}

// stop ends it as Ctrl-C does.
func (r *running) stop() {
	if r.cmd.ProcessState != nil {
		return
	}
	_ = r.cmd.Process.Signal(syscall.SIGINT)
	_ = r.cmd.Wait()
	if code := r.cmd.ProcessState.ExitCode(); code != 130 {
		r.t.Errorf("Ctrl-C: exit %d", code)
	}
}

func (r *running) get(path string) (int, string) {
	resp, err := http.Get(r.address + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

func (r *running) healthy(want int) error {
	if code, body := r.get("/healthz"); code != want {
		return fmt.Errorf("/healthz: %d, want %d: %s", code, want, body)
	}
	return nil
}

// metric wants a line of /metrics.
func (r *running) metric(line string) error {
	if _, body := r.get("/metrics"); !strings.Contains("\n"+body, "\n"+line+"\n") {
		return fmt.Errorf("/metrics lacks %s:\n%s", line, body)
	}
	return nil
}

// failed waits until a channel did not take a message.
func (r *running) failed(channel string) {
	r.t.Helper()
	tried := regexp.MustCompile(fmt.Sprintf(`leadgenctl_notifications_total{channel=%q,result="failed"} [1-9]`, channel))
	testenv.Eventually(r.t, wait, func() error {
		if _, body := r.get("/metrics"); !tried.MatchString(body) {
			return fmt.Errorf("not tried yet: %s", channel)
		}
		return nil
	})
}

// told waits for a message of an event and returns it.
func (p *platform) told(event string) notify.Message {
	p.t.Helper()
	var found notify.Message
	testenv.Eventually(p.t, wait, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		i := slices.IndexFunc(p.messages, func(m notify.Message) bool { return m.Event == event })
		if i < 0 {
			return fmt.Errorf("no message of %s among %+v", event, p.messages)
		}
		found = p.messages[i]
		p.messages = slices.Delete(p.messages, i, i+1)
		return nil
	})
	return found
}

func (p *platform) silent() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.messages) != 0 {
		p.t.Errorf("nobody should have been told: %+v", p.messages)
	}
}

// People hear of each transition, with what it did to the jobs, and Prometheus sees it.
func TestTransitionsAreToldAndExported(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.db.NewCampaign(t, "RUNNING", testenv.Job{}, testenv.Job{Status: "PROCESSING"}, testenv.Job{Status: "COMPLETED"})
	r := p.start()
	p.cli.Expect(0, "breaker", "open", "--reason", "Apollo 502", "--service", "apollo")
	m := p.told("breaker_opened")
	if m.Severity != notify.Critical || m.Title != "The global circuit breaker is OPEN: Apollo 502" ||
		!strings.HasPrefix(m.Text, "by tester@host; service apollo; 2 jobs paused\n") {
		t.Errorf("%+v", m)
	}
	for _, line := range []string{"leadgenctl_breaker_open 1", "leadgenctl_breaker_epoch 1", `leadgenctl_jobs{status="PAUSED",type="FETCH_LEADS"} 2`,
		`leadgenctl_breaker_transitions_total{state="open"} 1`, `leadgenctl_notifications_total{channel="team",result="sent"} 1`,
		`leadgenctl_up{server="postgres"} 1`, `leadgenctl_up{server="broker"} 1`} {
		testenv.Eventually(t, wait, func() error { return r.metric(line) })
	}
	p.cli.Expect(0, "breaker", "close", "--reason", "it is back")
	m = p.told("breaker_closed")
	if m.Severity != notify.Info || m.Title != "The global circuit breaker is closed: it is back" || !strings.Contains(m.Text, "2 jobs resumed") {
		t.Errorf("%+v", m)
	}
	for _, line := range []string{"leadgenctl_breaker_open 0", `leadgenctl_broker_messages{place="queued"} 2`, "leadgenctl_outbox_pending_jobs 0"} {
		testenv.Eventually(t, wait, func() error { return r.metric(line) })
	}
	_, body := r.get("/metrics")
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(body)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool: %v: %s", err, out)
	}
	p.silent()
}

// Who sees that a transition was counted sees the breaker as it is, however long the next
// look is away; and both counts are there before the first.
func TestTheCountAndTheStateAgree(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	r := p.start("--interval", "1h")
	for _, state := range []string{"open", "closed"} {
		if err := r.metric(`leadgenctl_breaker_transitions_total{state="` + state + `"} 0`); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []struct{ verb, state, open string }{{"open", "open", "1"}, {"close", "closed", "0"}} {
		p.cli.Expect(0, "breaker", c.verb, "--reason", "try")
		testenv.Eventually(t, wait, func() error {
			_, body := r.get("/metrics")
			if !strings.Contains(body, `leadgenctl_breaker_transitions_total{state="`+c.state+`"} 1`) {
				return fmt.Errorf("not counted: %s", body)
			}
			if !strings.Contains(body, "\nleadgenctl_breaker_open "+c.open+"\n") {
				t.Errorf("%s is counted, and not shown", c.state)
			}
			return nil
		})
	}
}

// What a channel does not take, and what happens while no monitor runs, is told later; once.
func TestNothingIsLostOverARestart(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	r := p.start()
	p.setRefuse(true)
	p.cli.Expect(0, "breaker", "open", "--reason", "first")
	r.failed("team")
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
	p.setRefuse(false)
	p.cli.Expect(0, "breaker", "close")
	p.cli.Expect(0, "breaker", "open", "--reason", "second")
	r = p.start()
	if m := p.told("breaker_opened"); !strings.HasSuffix(m.Title, "first") {
		t.Errorf("%+v", m)
	}
	p.told("breaker_closed")
	if m := p.told("breaker_opened"); !strings.HasSuffix(m.Title, "second") {
		t.Errorf("%+v", m)
	}
	r.stop()
	p.start()
	p.cli.Expect(0, "breaker", "close")
	p.told("breaker_closed")
	p.silent()
}

// A breaker that stays open, and tasks that cannot be created, are told once.
func TestStatesAreToldOnce(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.cli.Expect(0, "breaker", "open", "--reason", "long")
	r := p.start("--max-open", "1ms")
	if m := p.told("breaker_open_for_long"); m.Severity != notify.Error || !strings.Contains(m.Text, "long") {
		t.Errorf("%+v", m)
	}
	if _, err := p.db.Pool.Exec(t.Context(), `INSERT INTO leadgenctl.dispatch_failures (job_id, attempts, error) VALUES (7, 5, 'full'), (8, 5, 'no queue')`); err != nil {
		t.Fatal(err)
	}
	if m := p.told("task_creation_failed"); m.Title != "The tasks of 2 jobs could not be created" || !strings.Contains(m.Text, "job 8: no queue") {
		t.Errorf("%+v", m)
	}
	testenv.Eventually(t, wait, func() error { return r.metric("leadgenctl_task_creation_failures 2") })
	p.silent()
}

func TestHealthTellsOfRedis(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	r := p.start()
	p.redis.Stop()
	testenv.Eventually(t, wait, func() error { return r.healthy(http.StatusServiceUnavailable) })
	testenv.Eventually(t, wait, func() error { return r.metric(`leadgenctl_up{server="redis"} 0`) })
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.cli.Expect(2, "monitor", "--interval", "0")
	p.cli.Expect(2, "monitor", "--listen", "nowhere:x")
	p.cli.Expect(2, "monitor", "extra")
	bad := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(bad, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := p.cli.Run("monitor", "--listen", "127.0.0.1:0", "--state", bad); o.Code == 0 || !strings.Contains(o.Stderr, bad) {
		t.Errorf("%+v", o)
	}
}

// The alert rules do as their tests say, and they and the dashboard name only metrics that exist.
func TestRulesAndDashboard(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(testenv.Root(), "scripts")
	cmd := exec.Command("promtool", "test", "rules", "leadgenctl.test.yml")
	cmd.Dir = filepath.Join(dir, "prometheus")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	p := newPlatform(t)
	r := p.start()
	file := filepath.Join(t.TempDir(), "x.prom")
	p.cli.Run("audit", "run", "--settle", "10ms", "--textfile", file)
	_, exported := r.get("/metrics")
	textfile, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sources, err := os.ReadFile(filepath.Join(testenv.Root(), "internal", "monitor", "metrics.go")) // vectors without a value are not exported
	if err != nil {
		t.Fatal(err)
	}
	known := exported + string(textfile) + string(sources)
	for _, name := range []string{"prometheus/leadgenctl.rules.yml", "grafana/leadgenctl.json"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".json") && !json.Valid(data) {
			t.Errorf("%s is no JSON", name)
		}
		for _, metric := range regexp.MustCompile(`leadgenctl_[a-z_]+`).FindAllString(string(data), -1) {
			if !strings.Contains(known, metric) && !strings.HasSuffix(metric, "_") {
				t.Errorf("%s names %s, which does not exist", name, metric)
			}
		}
	}
}

package breakercmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// platform is a platform of one test's own and the built binary beside it.
type platform struct {
	t     *testing.T
	db    *testenv.Database
	redis *testenv.RedisDB
	env   []string
}

// newPlatform has jobs of the given statuses, and leadgenctl's tables.
func newPlatform(t *testing.T, statuses ...string) *platform {
	t.Helper()
	p := &platform{t: t, db: testenv.NewDatabase(t), redis: testenv.NewRedis(t)}
	jobs := make([]testenv.Job, len(statuses))
	for i, s := range statuses {
		jobs[i].Status = s
	}
	p.db.NewCampaign(t, "RUNNING", jobs...)
	m, err := schema.New(p.db.Pool, schema.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Up(context.Background(), schema.Base); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	p.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "LEADGENCTL_REDIS_URL=" + p.redis.URL, "LEADGENCTL_DATABASE_URL=" + p.db.URL, "LEADGENCTL_WORKERS_RETURN=0s"}
	return p
}

func (p *platform) exec(sql string) {
	p.t.Helper()
	if _, err := p.db.Pool.Exec(context.Background(), sql); err != nil {
		p.t.Fatal(err)
	}
}

// set puts a value under the breaker's key, as the app does.
func (p *platform) set(value string, ttl time.Duration) {
	p.t.Helper()
	if err := p.redis.Client.Set(context.Background(), breaker.DefaultKey, value, ttl).Err(); err != nil {
		p.t.Fatal(err)
	}
}

// counts returns the jobs by status.
func (p *platform) counts() map[string]int {
	p.t.Helper()
	rows, err := p.db.Pool.Query(context.Background(), "SELECT status::text, count(*) FROM jobs GROUP BY 1")
	if err != nil {
		p.t.Fatal(err)
	}
	defer rows.Close()
	counts := map[string]int{}
	for rows.Next() {
		var status string
		var n int
		if err := rows.Scan(&status, &n); err != nil {
			p.t.Fatal(err)
		}
		counts[status] = n
	}
	return counts
}

type outcome struct {
	stdout, stderr string
	code           int
}

func (p *platform) command(args ...string) *exec.Cmd {
	cmd := exec.Command(testenv.Binary(p.t), append([]string{"breaker"}, args...)...)
	cmd.Env, cmd.Dir = p.env, p.t.TempDir()
	return cmd
}

func (p *platform) run(args ...string) outcome {
	p.t.Helper()
	cmd := p.command(args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		p.t.Fatal(err)
	}
	if strings.Contains(errOut.String(), "goroutine ") {
		p.t.Errorf("%v: a stack trace: %s", args, errOut.String())
	}
	return outcome{out.String(), errOut.String(), cmd.ProcessState.ExitCode()}
}

// json runs the command with -o json and decodes what it printed.
func (p *platform) json(code int, args ...string) map[string]any {
	p.t.Helper()
	o := p.run(append(args, "-o", "json")...)
	var v map[string]any
	if err := json.Unmarshal([]byte(o.stdout), &v); err != nil || o.code != code {
		p.t.Fatalf("%v: exit %d, want %d; %v\nstdout: %s\nstderr: %s", args, o.code, code, err, o.stdout, o.stderr)
	}
	return v
}

// expect compares some fields of a JSON object.
func expect(t *testing.T, got map[string]any, want map[string]any) {
	t.Helper()
	for k, v := range want {
		a, _ := json.Marshal(got[k])
		b, _ := json.Marshal(v)
		if _, ok := got[k]; !ok || !bytes.Equal(a, b) {
			t.Errorf("%s is %s, want %s", k, a, b)
		}
	}
}

func contains(t *testing.T, what, s string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(s, part) {
			t.Errorf("%s lacks %q:\n%s", what, part, s)
		}
	}
}

func portOf(p *platform) string {
	return strconv.Itoa(int(p.db.Pool.Config().ConnConfig.Port))
}

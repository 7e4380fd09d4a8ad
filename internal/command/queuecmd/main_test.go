package queuecmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// platform is a platform of one test's own and the built binary beside it. The
// broker's Redis is another one than the breaker's.
type platform struct {
	t        *testing.T
	db       *testenv.Database
	breaker  *servers.Redis
	redis    *redis.Client // the breaker's
	broker   *servers.Redis
	messages *redis.Client // the broker's
	env      []string
}

func newPlatform(t *testing.T, jobs int) *platform {
	t.Helper()
	p := &platform{t: t, db: testenv.NewDatabase(t), breaker: testenv.StartRedis(t), broker: testenv.StartRedis(t)}
	p.redis, p.messages = client(t, p.breaker), client(t, p.broker)
	m, err := schema.New(p.db.Pool, schema.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Up(t.Context(), schema.Base); err != nil {
		t.Fatal(err)
	}
	f := p.db.NewCampaign(t, "RUNNING")
	p.exec(`INSERT INTO jobs (task_id, name, status, campaign_id) SELECT gen_random_uuid(), 'job', 'PENDING', $1 FROM generate_series(1, $2::int)`, f.CampaignID, jobs)
	home := t.TempDir()
	p.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "LEADGENCTL_REDIS_URL=" + p.breaker.URL(0),
		"LEADGENCTL_BROKER_URL=" + p.broker.URL(0), "LEADGENCTL_DATABASE_URL=" + p.db.URL, "LEADGENCTL_WORKERS_RETURN=0s"}
	return p
}

func client(t *testing.T, r *servers.Redis) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(r.URL(0))
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { c.Close() })
	return c
}

func (p *platform) exec(sql string, args ...any) {
	p.t.Helper()
	if _, err := p.db.Pool.Exec(context.Background(), sql, args...); err != nil {
		p.t.Fatalf("%s: %v", sql, err)
	}
}

// command is the built binary with further environment.
func (p *platform) command(env []string, args ...string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	p.t.Helper()
	cmd := exec.Command(testenv.Binary(p.t), args...)
	cmd.Env = append(append([]string{}, p.env...), env...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	return cmd, &out, &errOut
}

// run runs it, wants the exit code, and reads its JSON.
func (p *platform) run(code int, args ...string) map[string]any {
	p.t.Helper()
	cmd, out, errOut := p.command(nil, append(args, "-o", "json")...)
	err := cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != code {
		p.t.Fatalf("%v: exit code %d, want %d (%v)\n%s%s", args, got, code, err, out, errOut)
	}
	v := map[string]any{}
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &v); err != nil {
			p.t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	return v
}

// killed runs it and wants it killed at the crash point.
func (p *platform) killed(point string, args ...string) {
	p.t.Helper()
	cmd, out, errOut := p.command([]string{"LEADGENCTL_CRASHPOINT=" + point}, args...)
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != -1 {
		p.t.Fatalf("%v at %s: not killed: %v\n%s%s", args, point, err, out, errOut)
	}
}

// message is what the checker reads of a task message.
type message struct {
	Headers struct {
		ID string `json:"id"`
	} `json:"headers"`
}

// queued returns how many messages each task id has on the broker.
func (p *platform) queued() map[string]int {
	p.t.Helper()
	raws, err := p.messages.LRange(context.Background(), "celery", 0, -1).Result()
	if err != nil {
		p.t.Fatal(err)
	}
	ids := map[string]int{}
	for _, raw := range raws {
		var m message
		if err := json.Unmarshal([]byte(raw), &m); err != nil {
			p.t.Fatal(err)
		}
		ids[m.Headers.ID]++
	}
	return ids
}

// resumed reads all three stores after a close, with no worker running: the breaker
// is closed, every job waits, and its one message is on the queue.
func (p *platform) resumed(jobs int) error {
	if v := p.redis.Get(context.Background(), "circuit_breaker:global").Val(); !bytes.Contains([]byte(v), []byte(`"state": "closed"`)) {
		return fmt.Errorf("the breaker is %q", v)
	}
	if err := p.db.Expect(`SELECT bool_and(applied_at IS NOT NULL) FROM leadgenctl.breaker_transitions`); err != nil {
		return err
	}
	if err := p.db.Expect(`SELECT count(*) = 0 FROM leadgenctl.outbox WHERE published_at IS NULL`); err != nil {
		return err
	}
	ids := p.queued()
	rows, err := p.db.Pool.Query(context.Background(), "SELECT id, status::text, coalesce(task_id, ''), error IS NULL FROM jobs")
	if err != nil {
		return err
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var id int
		var status, task string
		var clean bool
		if err := rows.Scan(&id, &status, &task, &clean); err != nil {
			return err
		}
		if n++; status != "PENDING" || ids[task] != 1 || !clean {
			return fmt.Errorf("job %d is %s and its task has %d messages", id, status, ids[task])
		}
	}
	if n != jobs || len(ids) != jobs {
		return fmt.Errorf("%d jobs and %d tasks, want %d", n, len(ids), jobs)
	}
	return rows.Err()
}

package migratestatecmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/crashpoint"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

var ctx = context.Background()

const global = "circuit_breaker:global"

// user runs the built binary against one Redis, with snapshots of its own.
type user struct {
	testenv.OldWorker
	t    *testing.T
	url  string
	dir  string // the XDG state folder
	env  []string
	args []string // further arguments of every run
}

func newUser(t *testing.T, client redis.UniversalClient, url string) *user {
	return &user{OldWorker: testenv.OldWorker{TB: t, Client: client}, t: t, url: url, dir: t.TempDir()}
}

// outcome is how a run ended.
type outcome struct {
	out, errOut string
	code        int // -1 where a signal ended it
	signal      syscall.Signal
}

func (u *user) command(args ...string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	u.t.Helper()
	var out, errOut bytes.Buffer
	cmd := exec.Command(testenv.Binary(u.t), append(args, u.args...)...)
	cmd.Env = append(os.Environ(), "LEADGENCTL_REDIS_URL="+u.url, "XDG_STATE_HOME="+u.dir, "XDG_CONFIG_HOME="+u.dir, "LEADGENCTL_ACTOR=ops@test")
	cmd.Env = append(cmd.Env, u.env...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = u.dir, &out, &errOut
	return cmd, &out, &errOut
}

func (u *user) run(args ...string) outcome {
	u.t.Helper()
	cmd, out, errOut := u.command(args...)
	return outcomeOf(u.t, cmd.Run(), out, errOut)
}

func outcomeOf(t *testing.T, err error, out, errOut *bytes.Buffer) outcome {
	t.Helper()
	o := outcome{out: out.String(), errOut: errOut.String()}
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		o.code = exit.ExitCode()
		o.signal = exit.Sys().(syscall.WaitStatus).Signal()
	default:
		t.Fatal(err)
	}
	return o
}

// must runs and fails the test unless the exit code is 0.
func (u *user) must(args ...string) outcome {
	u.t.Helper()
	o := u.run(args...)
	if o.code != 0 {
		u.t.Fatalf("%s: exit %d: %s%s", strings.Join(args, " "), o.code, o.out, o.errOut)
	}
	return o
}

// crash runs with a crash point, and fails the test unless SIGKILL ended the run.
func (u *user) crash(point string, args ...string) {
	u.t.Helper()
	u.env = []string{crashpoint.EnvVar + "=" + point}
	o := u.run(args...)
	u.env = nil
	if o.code != -1 || o.signal != syscall.SIGKILL {
		u.t.Fatalf("%s: not killed at %s, but exit %d: %s%s", strings.Join(args, " "), point, o.code, o.out, o.errOut)
	}
}

// result is what scripts rely on.
type result struct {
	Applied  bool
	Snapshot *string
	State    string
	OpenedAt *time.Time `json:"opened_at"`
	Keys     []struct {
		Key, Type, Service, State, Action string
		TTLSeconds                        *float64 `json:"ttl_seconds"`
	}
	Follow *struct {
		Quiet   bool
		Carries []struct{ State string }
	}
}

func (o outcome) decode(t *testing.T) result {
	t.Helper()
	var r result
	if err := json.Unmarshal([]byte(o.out), &r); err != nil {
		t.Fatalf("not the JSON of a result: %v: %s%s", err, o.out, o.errOut)
	}
	return r
}

// dumps are the bytes of the given keys, and of those like an old key.
func (u *user) dumps(names ...string) map[string]string {
	u.t.Helper()
	all := make(map[string]string)
	for _, name := range names {
		dump, err := u.Client.Dump(ctx, name).Result()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			u.t.Fatal(err)
		}
		all[name] = dump
	}
	return all
}

func (u *user) same(when string, want, got map[string]string) {
	u.t.Helper()
	for name, dump := range want {
		if got[name] != dump {
			u.t.Errorf("%s: %s is not as it was", when, name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			u.t.Errorf("%s: %s is there and was not", when, name)
		}
	}
}

func (u *user) status() breaker.Status {
	u.t.Helper()
	b, err := breaker.New(u.Client, breaker.Settings{})
	if err != nil {
		u.t.Fatal(err)
	}
	st, err := b.State(ctx)
	if err != nil {
		u.t.Fatal(err)
	}
	return st
}

// legacyEvents counts the events of the past in the history.
func (u *user) legacyEvents() int {
	u.t.Helper()
	b, err := breaker.New(u.Client, breaker.Settings{})
	if err != nil {
		u.t.Fatal(err)
	}
	events, err := b.History(ctx, breaker.Filter{})
	if err != nil {
		u.t.Fatal(err)
	}
	n := 0
	for _, e := range events {
		if strings.HasPrefix(string(e.Kind), "legacy_") {
			n++
		}
	}
	return n
}

func base() time.Time {
	return time.Now().UTC().Add(-time.Minute).Truncate(time.Second).Add(870963 * time.Microsecond)
}

package migratestatecmd_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

func TestThePlanIsShownAndChangesNothing(t *testing.T) {
	t.Parallel()
	db := testenv.NewRedis(t)
	u := newUser(t, db.Client, db.URL)
	u.Platform(base())
	size := db.Client.DBSize(ctx).Val()
	before := u.dumps(append(testenv.PlatformKeys, testenv.UntouchedKeys...)...)

	o := u.must("migrate-state", "--dry-run")
	for _, want := range append(append([]string{"KEY", "TYPE", "TTL", "SERVICE", "STATE", "ACTION", "half_open", "zset", "2 failures",
		"Global breaker: absent -> open since", "nobody has confirmed recovery", "its jobs are still paused", "unknown service"}, testenv.PlatformKeys...),
		"circuit_breaker:apollo:notes", "circuit_breaker:hunter") {
		if !strings.Contains(o.out, want) {
			t.Errorf("the plan does not say %q:\n%s", want, o.out)
		}
	}
	r := u.must("migrate-state", "--dry-run", "-o", "json").decode(t)
	if r.Applied || r.Snapshot != nil || r.State != "open" || r.OpenedAt == nil || len(r.Keys) != len(testenv.PlatformKeys)+3 {
		t.Errorf("got %+v", r)
	}
	for _, k := range r.Keys {
		if k.Key == "circuit_breaker:apollo" && (k.Type != "string" || k.Service != "apollo" || k.State != "open" || k.Action != "migrate" || k.TTLSeconds == nil || *k.TTLSeconds <= 0 || *k.TTLSeconds > 600) {
			t.Errorf("got %+v", k)
		}
		if k.Key == "circuit_breaker:hunter" && (k.Action != "leave" || k.TTLSeconds != nil) {
			t.Errorf("got %+v", k)
		}
	}
	u.same("after a dry run", before, u.dumps(append(testenv.PlatformKeys, testenv.UntouchedKeys...)...))
	if now := db.Client.DBSize(ctx).Val(); now != size {
		t.Errorf("a dry run made %d keys", now-size)
	}
	if files, _ := os.ReadDir(filepath.Join(u.dir, "leadgenctl")); len(files) > 0 {
		t.Error("a dry run took a snapshot")
	}
}

func TestForwardAndBackOnTheCommandLine(t *testing.T) {
	t.Parallel()
	db := testenv.NewRedis(t)
	u := newUser(t, db.Client, db.URL)
	u.Platform(base())
	before := u.dumps(testenv.PlatformKeys...)
	r := u.must("migrate-state", "--yes", "-o", "json").decode(t)
	if !r.Applied || r.Snapshot == nil || r.State != "open" || r.OpenedAt == nil {
		t.Fatalf("got %+v", r)
	}
	if again := u.must("migrate-state", "-o", "json").decode(t); again.Applied || again.Snapshot != nil || again.State != "open" {
		t.Errorf("second run: %+v", again)
	}
	var list struct{ Snapshots []struct{ ID, Kind string } }
	if err := json.Unmarshal([]byte(u.must("snapshot", "list", "-o", "json").out), &list); err != nil || len(list.Snapshots) != 1 || list.Snapshots[0].ID != *r.Snapshot {
		t.Errorf("listed as %+v, %v", list, err)
	}
	for _, want := range []string{*r.Snapshot, "circuit_breaker:apollo", "ops@test", "absent"} {
		if o := u.must("snapshot", "show", "latest"); !strings.Contains(o.out, want) {
			t.Errorf("the snapshot does not show %q: %s", want, o.out)
		}
	}
	var back struct {
		Applied         bool
		Snapshot, Saved string
		Keys            []struct{ Key, Action, Verified string }
	}
	o := u.must("snapshot", "restore", *r.Snapshot, "--yes", "-o", "json")
	if err := json.Unmarshal([]byte(o.out), &back); err != nil || !back.Applied || back.Saved == "" || len(back.Keys) != len(testenv.PlatformKeys) {
		t.Errorf("restored: %+v, %v", back, err)
	}
	for _, k := range back.Keys {
		if k.Action != "restored" || k.Verified != "dump" {
			t.Errorf("restored: %+v", k)
		}
	}
	u.same("restored", before, u.dumps(testenv.PlatformKeys...))
	if y := u.must("migrate-state", "--dry-run", "-o", "yaml"); !strings.Contains(y.out, "state: open") {
		t.Errorf("as YAML: %s", y.out)
	}
}

// TestRefusals: each says what is wrong, with its exit code, and changes nothing.
func TestRefusals(t *testing.T) {
	t.Parallel()
	const closed = `{"state": "closed", "opened_at": null, "closed_at": "2026-01-05T10:20:41", "metadata": {}}`
	for _, c := range []struct {
		args, says string
		code       int
		prepare    func(*user)
	}{
		{args: "migrate-state", code: 2, says: "--yes is required"},
		{args: "migrate-state --rollback latest --yes", code: 2, says: "no snapshot of a migration"},
		{args: "migrate-state --rollback nonsense/../x --yes", code: 2, says: "no such snapshot"},
		{args: "migrate-state --rollback= --yes", code: 2, says: "--rollback needs the id"},
		{args: "migrate-state --rollback latest --follow", code: 2, says: "--follow is for a migration"},
		{args: "migrate-state --force", code: 2, says: "--force is for --rollback"},
		{args: "migrate-state --quiet 1s", code: 2, says: "--quiet is for --follow"},
		{args: "migrate-state --follow --dry-run", code: 2, says: "exclude each other"},
		{args: "migrate-state --half-open=ajar", code: 2, says: "ajar"},
		{args: "migrate-state --prefer=me", code: 2, says: "me"},
		{args: "migrate-state --malformed=maybe", code: 2, says: "maybe"},
		{args: "migrate-state --service=global", code: 2, says: "cannot be the name of a service"},
		{args: "migrate-state --snapshot-store=tape", code: 2, says: "tape"},
		{args: "migrate-state --rollback x --keep-ttl=half", code: 2, says: "half"},
		{args: "migrate-state -o xml", code: 2, says: "xml"},
		{args: "migrate-state extra", code: 2, says: "extra"},
		{args: "snapshot show", code: 2, says: "arg"},
		{args: "migrate-state --yes", code: 4, says: "circuit_failures:openai", prepare: func(u *user) { u.Set("circuit_failures:openai", "x", 0) }},
		{args: "migrate-state --yes", code: 4, says: "not JSON", prepare: func(u *user) { u.Set("queue_paused:openai", "{'a': 1}", 0) }},
		{args: "migrate-state --yes", code: 4, says: global, prepare: func(u *user) { u.Set(global, "rubbish", 0) }},
		{args: "migrate-state --yes", code: 4, says: global, prepare: func(u *user) { u.Client.LPush(ctx, global, "x") }},
		{args: "migrate-state --yes", code: 4, says: closed, prepare: func(u *user) { u.Set(global, closed, 0) }},
		{args: "migrate-state --yes", code: 4, says: "--prefer", prepare: func(u *user) { u.Set(global, closed, 0) }},
		{args: "migrate-state --yes --redis-url redis://127.0.0.1:1/0", code: 3, says: "refused"},
		{args: "migrate-state --yes --snapshot-dir /proc/nowhere", code: 1, says: "save the snapshot"},
	} {
		t.Run(c.args+" "+c.says, func(t *testing.T) {
			t.Parallel()
			db := testenv.NewRedis(t)
			u := newUser(t, db.Client, db.URL)
			u.Open("apollo", base(), "down", "http_5xx", 1)
			if c.prepare != nil {
				c.prepare(u)
			}
			names := append(testenv.PlatformKeys, global)
			before := u.dumps(names...)
			o := u.run(strings.Fields(c.args)...)
			if o.code != c.code || !strings.Contains(o.errOut, c.says) {
				t.Errorf("exit %d, want %d and %q: %s", o.code, c.code, c.says, o.errOut)
			}
			u.same("refused", before, u.dumps(names...))
		})
	}
}

func TestServersThatRefuseAreNamed(t *testing.T) {
	t.Parallel()
	t.Run("a replica", func(t *testing.T) {
		t.Parallel()
		s := testenv.StartRedisSentinel(t)
		c := redis.NewClient(&redis.Options{Addr: s.Replica.Addr()})
		defer c.Close()
		u := newUser(t, c, s.Replica.URL(0))
		u.must("migrate-state", "--dry-run") // looking is allowed
		if o := u.run("migrate-state", "--yes"); o.code != 3 || !strings.Contains(o.errOut, "READONLY") || !strings.Contains(o.errOut, "master") {
			t.Errorf("exit %d: %s", o.code, o.errOut)
		}
	})
	t.Run("rights", func(t *testing.T) {
		t.Parallel()
		server := testenv.StartRedis(t)
		c := redis.NewClient(&redis.Options{Addr: server.Addr()})
		defer c.Close()
		for name, rules := range map[string]string{
			"reader": "on >p ~* &* +@read +@connection +@transaction",
			"writer": "on >p ~* &* +@all -evalsha -eval",
		} {
			if err := c.Do(ctx, append([]any{"ACL", "SETUSER", name}, anys(strings.Fields(rules))...)...).Err(); err != nil {
				t.Fatal(err)
			}
		}
		u := newUser(t, c, server.UserURL("reader", "p", 0))
		u.Open("apollo", base(), "down", "http_5xx", 1)
		if r := u.must("migrate-state", "--dry-run", "-o", "json").decode(t); r.State != "open" {
			t.Errorf("a reader's plan: %+v", r)
		}
		before := u.dumps("circuit_breaker:apollo")
		for _, user := range []string{"reader", "writer"} {
			u.url = server.UserURL(user, "p", 0)
			if o := u.run("migrate-state", "--yes"); o.code != 3 || !strings.Contains(o.errOut, "NOPERM") {
				t.Errorf("%s: exit %d: %s", user, o.code, o.errOut)
			}
		}
		u.same("without rights", before, u.dumps("circuit_breaker:apollo"))
		u.url = server.URL(0)
		u.must("migrate-state", "--yes")
	})
}

func anys(words []string) []any {
	all := make([]any, len(words))
	for i, w := range words {
		all[i] = w
	}
	return all
}

func TestFollowOnTheCommandLine(t *testing.T) {
	t.Parallel()
	db := testenv.NewRedis(t)
	u := newUser(t, db.Client, db.URL)
	u.Closed("apollo")
	r := u.must("migrate-state", "--yes", "--follow", "--quiet", "100ms", "--interval", "10ms", "-o", "json").decode(t)
	if !r.Applied || r.Follow == nil || !r.Follow.Quiet || r.State != "closed" {
		t.Errorf("got %+v", r)
	}

	cmd, out, errOut := u.command("migrate-state", "--yes", "--follow", "--interval", "10ms", "-o", "json")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	u.Open("apollo", base(), "Apollo is down", "http_5xx", 1)
	testenv.Eventually(t, 30*time.Second, func() error {
		if n := db.Client.Exists(ctx, "circuit_breaker:apollo").Val(); n != 0 {
			return errors.New("it is not carried yet")
		}
		if st := u.status(); st.State != "open" {
			return fmt.Errorf("the breaker is %s", st.State)
		}
		return nil
	})
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	o := outcomeOf(t, cmd.Wait(), out, errOut)
	if got := o.decode(t); o.code != 130 || got.Follow.Quiet || len(got.Follow.Carries) != 1 && !got.Applied || got.State != "open" {
		t.Errorf("exit %d, %+v: %s", o.code, got, o.errOut)
	}
}

package state_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/state"
)

func TestMain(m *testing.M) { testenv.Main(m) }

var services = []string{"apollo", "perplexity", "openai", "instantly", "millionverifier"}

const global = "circuit_breaker:global"

// rig is one Redis with a breaker and a migrator.
type rig struct {
	testenv.OldWorker
	breaker *breaker.Breaker
	store   *state.FileStore
	m       *state.Migrator
}

func newRig(t testing.TB, client redis.UniversalClient, change ...func(*state.Settings)) *rig {
	t.Helper()
	b, err := breaker.New(client, breaker.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{OldWorker: testenv.OldWorker{TB: t, Client: client}, breaker: b, store: &state.FileStore{Dir: t.TempDir()}}
	r.m = r.migrator(change...)
	return r
}

func (r *rig) migrator(change ...func(*state.Settings)) *state.Migrator {
	r.TB.Helper()
	s := state.Settings{Client: r.Client, Breaker: r.breaker, Store: r.store, Services: services, Discover: true, Actor: "ops@test"}
	for _, c := range change {
		c(&s)
	}
	m, err := state.New(s)
	if err != nil {
		r.TB.Fatal(err)
	}
	return m
}

func (r *rig) plan() *state.Plan {
	r.TB.Helper()
	p, err := r.m.Plan(ctx)
	if err != nil {
		r.TB.Fatal(err)
	}
	return p
}

func (r *rig) migrate() *state.Result {
	r.TB.Helper()
	res, err := r.m.Apply(ctx, r.plan())
	if err != nil {
		r.TB.Fatal(err)
	}
	return res
}

func (r *rig) rollback(o state.RollbackOptions) *state.RollbackPlan {
	r.TB.Helper()
	p, err := r.m.PlanRollback(ctx, o)
	if err != nil {
		r.TB.Fatal(err)
	}
	if err := r.m.Rollback(ctx, p); err != nil {
		r.TB.Fatal(err)
	}
	return p
}

func (r *rig) status() breaker.Status {
	r.TB.Helper()
	st, err := r.breaker.State(ctx)
	if err != nil {
		r.TB.Fatal(err)
	}
	return st
}

// base is a recent time with microseconds, as the app has them.
func base() time.Time {
	return time.Now().UTC().Add(-time.Minute).Truncate(time.Second).Add(870963 * time.Microsecond)
}

func TestMigratedRolledBackAndMigratedAgain(t *testing.T) {
	t.Parallel()
	for name, client := range topologies(t) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, client)
			at := base()
			r.Platform(at)
			before := dumpAll(t, client, testenv.PlatformKeys...)
			others := dumpAll(t, client, testenv.UntouchedKeys...)

			checkMigrated(t, r, r.migrate(), at)
			sameKeys(t, others, dumpAll(t, client, testenv.UntouchedKeys...))
			if p := r.plan(); !p.NothingToDo() {
				t.Errorf("a second run would do something: %+v", p)
			}
			history := carried(t, r)

			r.rollback(state.RollbackOptions{ID: "latest"})
			sameKeys(t, before, dumpAll(t, client, testenv.PlatformKeys...))
			if st := r.status(); st.Exists || st.State != breaker.Closed {
				t.Errorf("after the rollback the global key is %+v, want it absent as before", st)
			}
			if p, err := r.m.PlanRollback(ctx, state.RollbackOptions{ID: "latest"}); err != nil || !p.NothingToDo() {
				t.Errorf("a second rollback would do something: %+v, %v", p, err)
			}

			checkMigrated(t, r, r.migrate(), at)
			if again := carried(t, r); len(again) != len(history) {
				t.Errorf("the history tells of %d old events after the second migration, %d after the first", len(again), len(history))
			}
			sameKeys(t, others, dumpAll(t, client, testenv.UntouchedKeys...))
		})
	}
}

// checkMigrated looks at what has become of OldWorker.Platform.
func checkMigrated(t *testing.T, r *rig, res *state.Result, at time.Time) {
	t.Helper()
	if !res.Applied || res.Snapshot == "" {
		t.Fatalf("not applied: %+v", res)
	}
	for _, name := range testenv.PlatformKeys {
		if n := r.Client.Exists(ctx, name).Val(); n != 0 {
			t.Errorf("%s is still there", name)
		}
		i := slices.IndexFunc(res.Keys, func(k state.KeyPlan) bool { return k.Key == name })
		if i < 0 || res.Keys[i].Action != state.ActionMigrated {
			t.Errorf("%s is not reported as migrated", name)
		}
	}
	st := r.status()
	if st.State != breaker.Open || !st.OpenedAt.Equal(at.Add(-40*time.Minute)) {
		t.Errorf("the breaker is %s since %v, want open since %v", st.State, st.OpenedAt, at.Add(-40*time.Minute))
	}
	m := st.Record.Metadata
	if m.Text("last_error") != "Apollo 502 Bad Gateway" || m.Text("error_type") != "http_5xx" || m.Text("service") != "apollo" {
		t.Errorf("the latest failure is not told: %s", st.Raw)
	}
	if st.TTL != 0 {
		t.Errorf("the global key has a time to live of %v", st.TTL)
	}
	var summary struct {
		Snapshot string
		Services map[string]struct {
			State    string
			Failures int
			PausedAt string `json:"paused_at"`
			Manual   bool   `json:"manual_pause"`
		}
	}
	if err := json.Unmarshal(m.Raw(state.MetaMigratedFrom), &summary); err != nil {
		t.Fatal(err)
	}
	s := summary.Services
	if summary.Snapshot != res.Snapshot || len(s) != 5 || s["apollo"].Failures != 2 || s["openai"].State != "half_open" ||
		s["perplexity"].PausedAt != breaker.FormatTimestamp(at.Add(-40*time.Minute)) || !s["instantly"].Manual {
		t.Errorf("the summary is wrong: %s", m.Raw(state.MetaMigratedFrom))
	}
	if events := carried(t, r); len(events) != 10 {
		t.Errorf("the history tells of %d old events, want 10: %+v", len(events), events)
	}
}

// carried is the part of the history that the old keys told.
func carried(t *testing.T, r *rig) []breaker.Event {
	t.Helper()
	events, err := r.breaker.History(ctx, breaker.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(events, func(e breaker.Event) bool { return !strings.HasPrefix(string(e.Kind), "legacy_") })
}

func TestHealthyPlatformGetsAClosedGlobalKey(t *testing.T) {
	t.Parallel()
	r := newRig(t, testenv.NewRedis(t).Client)
	res := r.migrate()
	if st := r.status(); !res.Applied || !st.Exists || st.State != breaker.Closed || !st.OpenedAt.IsZero() {
		t.Errorf("got %+v, want a closed global key", st)
	}
	if !r.plan().NothingToDo() {
		t.Error("a second run would do something")
	}
}

func TestTheGlobalKeyIsMergedOrContradicted(t *testing.T) {
	t.Parallel()
	at := base()
	const opened = `{"state": "open", "opened_at": "2020-01-02T03:04:05", "closed_at": null, "metadata": {"mine": 1}}`
	const closed = `{"state": "closed", "opened_at": null, "closed_at": "2020-01-02T03:04:05", "metadata": {}}`
	for _, c := range []struct {
		name, global, prefer string
		old                  func(testenv.OldWorker)
		want                 breaker.State
		conflict             bool
	}{
		{name: "both open", global: opened, old: func(w testenv.OldWorker) { w.Open("apollo", at, "e", "t", 1) }, want: breaker.Open},
		{name: "both closed", global: closed, old: func(w testenv.OldWorker) { w.Closed("apollo") }, want: breaker.Closed},
		{name: "open and closed", global: closed, old: func(w testenv.OldWorker) { w.Open("apollo", at, "e", "t", 1) }, conflict: true},
		{name: "closed and open", global: opened, old: func(w testenv.OldWorker) { w.Closed("apollo") }, conflict: true},
		{name: "old wins", prefer: "old", global: closed, old: func(w testenv.OldWorker) { w.HalfOpen("apollo") }, want: breaker.Open},
		{name: "old wins and closes", prefer: "old", global: opened, old: func(w testenv.OldWorker) { w.Closed("apollo") }, want: breaker.Closed},
		{name: "global wins", prefer: "global", global: closed, old: func(w testenv.OldWorker) { w.Pause("apollo", at) }, want: breaker.Closed},
		{name: "global wins and is open", prefer: "global", global: opened, old: func(w testenv.OldWorker) { w.Closed("apollo") }, want: breaker.Open},
		{name: "counters contradict nothing", global: opened, old: func(w testenv.OldWorker) { w.Fail("apollo", at, "t") }, want: breaker.Open},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := testenv.NewRedis(t).Client
			r := newRig(t, client, func(s *state.Settings) { s.Rules.Prefer = c.prefer })
			r.Set(global, c.global, 0)
			c.old(r.OldWorker)
			names := append([]string{global}, testenv.PlatformKeys...)
			before := dumpAll(t, client, names...)
			p, err := r.m.Plan(ctx)
			var conflict *state.ConflictError
			if c.conflict {
				if !errors.As(err, &conflict) || !strings.Contains(err.Error(), c.global) || !strings.Contains(err.Error(), "apollo") {
					t.Errorf("got %v, want a conflict that shows both", err)
				}
				sameKeys(t, before, dumpAll(t, client, names...))
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.m.Apply(ctx, p); err != nil {
				t.Fatal(err)
			}
			st := r.status()
			if st.State != c.want {
				t.Errorf("the breaker is %s, want %s", st.State, c.want)
			}
			if c.name == "both open" && (st.OpenedAt.Year() != 2020 || st.Record.Metadata.Text("mine") != "1") {
				t.Errorf("the first opened_at or a foreign field was lost: %s", st.Raw)
			}
			r.rollback(state.RollbackOptions{ID: "latest"})
			sameKeys(t, before, dumpAll(t, client, names...))
		})
	}
}

func TestMalformedKeysAreRefusedOpenedOrSkipped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, value, reason string }{
		{"circuit_breaker:apollo", "not JSON", "not JSON"},
		{"circuit_breaker:apollo", `{"state": "ajar"}`, `unknown state "ajar"`},
		{"circuit_breaker:apollo", `{"state": "open", "opened_at": "yesterday"}`, "opened_at"},
		{"circuit_failures:apollo", "a string", "it is a string"},
		{"circuit_success:apollo", "-3", "not a count"},
		{"queue_paused:apollo", `{"paused_at": "2026-01-05T10:20:41", "service": "openai"}`, "another service"},
	} {
		t.Run(c.key+" "+c.value, func(t *testing.T) {
			t.Parallel()
			client := testenv.NewRedis(t).Client
			r := newRig(t, client)
			r.Set(c.key, c.value, 0)
			r.Closed("openai")
			before := dumpAll(t, client, c.key, "circuit_breaker:openai", global)
			var malformed *state.MalformedError
			if _, err := r.m.Plan(ctx); !errors.As(err, &malformed) || malformed.Key != c.key || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("got %v, want a refusal that names %s and says %q", err, c.key, c.reason)
			}
			sameKeys(t, before, dumpAll(t, client, c.key, "circuit_breaker:openai", global))

			r.m = r.migrator(func(s *state.Settings) { s.Rules.Malformed = state.Skip })
			r.migrate()
			if st := r.status(); st.State != breaker.Closed || client.Exists(ctx, c.key).Val() != 1 {
				t.Errorf("skipped: the breaker is %s, the key is there %d times", st.State, client.Exists(ctx, c.key).Val())
			}
			if !r.plan().NothingToDo() {
				t.Error("skipped: a second run would do something")
			}

			r.rollback(state.RollbackOptions{ID: "latest"})
			r.m = r.migrator(func(s *state.Settings) { s.Rules.Malformed = state.AsOpen })
			r.migrate()
			if st := r.status(); st.State != breaker.Open || client.Exists(ctx, c.key).Val() != 0 {
				t.Errorf("taken as open: the breaker is %s", st.State)
			}
			r.rollback(state.RollbackOptions{ID: "latest"})
			sameKeys(t, before, dumpAll(t, client, c.key, "circuit_breaker:openai", global))
		})
	}
}

func TestHalfOpenAsClosed(t *testing.T) {
	t.Parallel()
	r := newRig(t, testenv.NewRedis(t).Client, func(s *state.Settings) { s.Rules.HalfOpen = state.AsClosed })
	r.HalfOpen("apollo")
	r.migrate()
	if st := r.status(); st.State != breaker.Closed {
		t.Errorf("the breaker is %s", st.State)
	}
}

func TestUnknownServicesAreListedAndLeftUnlessNamed(t *testing.T) {
	t.Parallel()
	r := newRig(t, testenv.NewRedis(t).Client)
	r.Open("hunter", base(), "down", "http_5xx", 1)
	p := r.plan()
	i := slices.IndexFunc(p.Keys, func(k state.KeyPlan) bool { return k.Key == "circuit_breaker:hunter" })
	if i < 0 || p.Keys[i].Action != state.ActionLeave || p.Keys[i].State != "open" || p.After.State != breaker.Closed {
		t.Errorf("want it listed as left, got %+v", p.Keys)
	}
	r.m = r.migrator(func(s *state.Settings) { s.Services = append(slices.Clone(services), "hunter") })
	r.migrate()
	if st := r.status(); st.State != breaker.Open || r.Client.Exists(ctx, "circuit_breaker:hunter").Val() != 0 {
		t.Errorf("named: the breaker is %s", st.State)
	}
}

package doctorcmd_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

func TestMain(m *testing.M) { testenv.Main(m) }

type report struct {
	Checks  []consistency.Result
	Summary consistency.Summary
}

// check is the result with that id.
func (r report) check(t *testing.T, id string) consistency.Result {
	t.Helper()
	i := slices.IndexFunc(r.Checks, func(c consistency.Result) bool { return c.ID == id })
	if i < 0 {
		t.Fatalf("no check %s in %+v", id, r.Checks)
	}
	return r.Checks[i]
}

func install(t *testing.T, db *testenv.Database) {
	t.Helper()
	m, err := schema.New(db.Pool, schema.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Up(context.Background(), schema.Base); err != nil {
		t.Fatal(err)
	}
}

func exec(t *testing.T, db *testenv.Database, sql string) {
	t.Helper()
	if _, err := db.Pool.Exec(context.Background(), sql); err != nil {
		t.Fatal(err)
	}
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestAHealthyPlatform(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	install(t, db)
	redis := testenv.StartRedis(t, "--appendonly", "yes")
	var r report
	testenv.NewCLI(t, db.URL, redis.URL(0)).JSON(&r, 0, "doctor")
	for _, c := range r.Checks {
		if c.Status == consistency.Errored || c.Status == consistency.Fail && c.Severity == consistency.Error {
			t.Errorf("%s %s: %s %v", c.ID, c.Title, c.Message, c.Samples)
		}
	}
	for id, says := range map[string]string{"LGD003": "may read; may operate; may migrate", "LGD005": "may read; may operate", "LGD006": "0 messages wait"} {
		if c := r.check(t, id); c.Status != consistency.Pass || !strings.Contains(c.Message, says) {
			t.Errorf("%s: %+v; want it to say %q", id, c, says)
		}
	}
}

func TestIndexesThatSlowPausesDown(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	exec(t, db, `CREATE INDEX by_status ON jobs (campaign_id, status); CREATE INDEX paused ON jobs (updated_at) WHERE status = 'PAUSED';
		CREATE INDEX twin ON jobs (job_type); CREATE INDEX other_order ON jobs (job_type DESC); CREATE UNIQUE INDEX unique_name ON jobs (name, id); CREATE INDEX by_name ON jobs (name)`)
	cli := testenv.NewCLI(t, db.URL, testenv.NewRedis(t).URL)
	var r report
	cli.JSON(&r, 1, "doctor", "--fail-on=warning")
	for id, want := range map[string][]string{
		"LGD007": {"index by_status:", "index paused:"},
		"LGD008": {"index by_name:", "index ix_jobs_campaign_id:", "index twin:"},
		"LGD009": {"fillfactor 100"},
	} {
		got := r.check(t, id)
		ok := got.Status == consistency.Fail && got.Severity == consistency.Warning && len(got.Samples) == len(want)
		for i := range want {
			ok = ok && strings.HasPrefix(got.Samples[i], want[i])
		}
		if !ok {
			t.Errorf("%s: %+v; want %q", id, got, want)
		}
	}
	exec(t, db, "ALTER TABLE jobs SET (fillfactor = 45); DROP INDEX by_status, paused, twin, by_name")
	r = report{}
	cli.JSON(&r, 0, "doctor")
	for _, id := range []string{"LGD007", "LGD008", "LGD009"} {
		if got := r.check(t, id); got.Status != consistency.Pass {
			t.Errorf("%s after the remedy: %+v", id, got)
		}
	}
}

func TestRightsThatAreLacking(t *testing.T) {
	t.Parallel()
	pg := testenv.StartPostgres(t, servers.PostgresOptions{Password: "owner-secret"})
	testenv.LoadPlatform(t, pg.URL("postgres"))
	db := &testenv.Database{URL: pg.URL("postgres"), Pool: testenv.NewPool(t, pg.URL("postgres"))}
	exec(t, db, "CREATE ROLE looker LOGIN PASSWORD 'looker-secret'; GRANT SELECT ON organizations, campaigns, jobs, leads, alembic_version TO looker; CREATE ROLE nobody LOGIN PASSWORD 'looker-secret'")
	redis := testenv.StartRedisWith(t, servers.RedisOptions{Password: "redis-secret", Users: map[string]string{
		"looker": "on >looker-secret ~* &* +@read +@connection +info +time +config|get +pubsub|numsub +multi +exec",
		"caller": "on >looker-secret ~* &* +@read +@connection +@scripting +multi +exec +info +time +config|get"}})

	var r report
	testenv.NewCLI(t, pg.UserURL("looker", "looker-secret", "postgres"), redis.UserURL("looker", "looker-secret", 0)).JSON(&r, 0, "doctor")
	if c := r.check(t, "LGD003"); c.Status != consistency.Pass || !strings.Contains(c.Message, "may not operate (lacks UPDATE on campaigns") || !strings.Contains(c.Message, "may not migrate") {
		t.Errorf("a role that looks: %+v", c)
	}
	if c := r.check(t, "LGD005"); c.Status != consistency.Pass || !strings.Contains(c.Message, "may not operate (lacks EVAL)") {
		t.Errorf("a user that looks: %+v", c)
	}

	o := testenv.NewCLI(t, pg.UserURL("nobody", "looker-secret", "postgres"), redis.UserURL("caller", "looker-secret", 0)).Run("doctor", "-o", "json")
	if !strings.Contains(o.Stdout, "SELECT on jobs") || !strings.Contains(o.Stdout, "may not operate (lacks SET, DEL, XADD, PUBLISH)") {
		t.Errorf("a role without rights: %s", o.Stdout)
	}
	if strings.Contains(o.Stdout+o.Stderr, "-secret") {
		t.Errorf("a secret is shown: %s%s", o.Stdout, o.Stderr)
	}
}

func TestServersThatAreAway(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	cli := testenv.NewCLI(t, "postgres://u:pg-secret@postgres/d", "redis://:redis-secret@"+closedPort(t))
	o := cli.Expect(3, "doctor", "--timeout", "2s")
	for _, says := range []string{"Compose service", "LGD002", "LGD004", "LGD006", "What to do:", "3 could not run"} {
		if !strings.Contains(o.Stdout, says) {
			t.Errorf("nothing is said of %q: %s%s", says, o.Stdout, o.Stderr)
		}
	}
	if strings.Contains(o.Stdout+o.Stderr, "-secret") || strings.Contains(o.Stdout, "\x1b") {
		t.Errorf("a secret or a colour is shown: %s%s", o.Stdout, o.Stderr)
	}

	started := time.Now()
	testenv.NewCLI(t, "postgres://u:pw@"+silent.Addr().String()+"/d", "redis://"+silent.Addr().String()).Expect(3, "doctor", "--timeout", "1s")
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("silent servers held the command for %s", took)
	}
}

func TestOneServerAwayDoesNotHideTheOther(t *testing.T) {
	t.Parallel()
	var r report
	testenv.NewCLI(t, testenv.NewDatabase(t).URL, "redis://"+closedPort(t)).JSON(&r, 3, "doctor", "--timeout", "2s")
	if r.check(t, "LGD002").Status != consistency.Pass || r.check(t, "LGD004").Status != consistency.Errored || r.check(t, "LGS008").Status != consistency.Pass {
		t.Errorf("%+v", r.Checks)
	}
}

func TestBadUse(t *testing.T) {
	t.Parallel()
	cli := testenv.NewCLI(t, "", "")
	cli.Expect(2, "doctor", "--fail-on=sometimes")
	cli.Expect(2, "doctor", "now")
	cli.Expect(2, "doctor", "-o", "xml")
	cli.Expect(2, "doctor", "--redis-url", "http://h")
	cli.Expect(2, "doctor", "--broker-url", "amqp://h:port")
}

package acceptance_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// The roles that the README hands out (scripts/roles) are enough for what it says,
// and for no more.
func TestTheRolesAreEnough(t *testing.T) {
	t.Parallel()
	pg := testenv.StartPostgres(t, servers.PostgresOptions{})
	server := testenv.StartRedisWith(t, servers.RedisOptions{Users: aclUsers(t)})
	testenv.SeedOldPlatform(t, pg.URL("postgres"), server.URL(0))
	owner := []string{"LEADGENCTL_DATABASE_URL=" + pg.URL("postgres"), "LEADGENCTL_REDIS_URL=" + server.URL(0)}
	must(t, owner, 0, "migrate", "up", "--to", "base", "--yes")
	for _, role := range []string{"reader", "operator"} {
		runSQL(t, pg.URL("postgres"), filepath.Join("scripts", "roles", role+".sql"))
	}
	as := func(role string) []string {
		return []string{"LEADGENCTL_DATABASE_URL=" + pg.UserURL("leadgenctl_"+role, "", "postgres"),
			"LEADGENCTL_REDIS_URL=" + server.UserURL("leadgenctl-"+role, "PASSWORD", 0)}
	}
	reader, operator := as("reader"), as("operator")
	for _, line := range []string{"check-consistency --fail-on=never", "breaker status", "breaker history", "campaign status", "migrate status", "migrate-state --dry-run",
		"snapshot list --snapshot-store postgres",
		"queue status", "queue inspect 1", "queue guard status", "reconcile --dry-run", "tasks ls"} {
		must(t, reader, 0, strings.Fields(line)...)
	}
	must(t, reader, 1, "campaign", "check-paused")
	for _, line := range []string{"breaker open --reason no", "migrate-state --yes", "campaign resolve-paused --yes"} {
		if r := leadgenctl(t, reader, strings.Fields(line)...); r.code == 0 {
			t.Errorf("the reader may run %q:\n%s", line, r.stdout)
		}
	}
	if r := leadgenctl(t, reader, "tasks", "ls", "-o", "json"); !strings.Contains(r.stdout, `"workers_asked": false`) || !strings.Contains(r.stderr, "may not be asked") {
		t.Errorf("the reader is not told that the workers were not asked: %s%s", r.stdout, r.stderr)
	}
	if r := leadgenctl(t, operator, "tasks", "ls", "-o", "json"); r.code != 0 || !strings.Contains(r.stdout, `"workers_asked": true`) {
		t.Errorf("%+v", r)
	}
	runStatement(t, pg.URL("postgres"), "CREATE TABLE later ()")
	for _, role := range []string{"reader", "operator"} {
		checkLimits(t, pg.UserURL("leadgenctl_"+role, "", "postgres"), server.UserURL("leadgenctl-"+role, "PASSWORD", 0))
	}
	for _, line := range []string{"migrate-state --yes --snapshot-store postgres", "breaker open --reason yes", "campaign resolve-paused --yes",
		"breaker close --reason yes", "reconcile", "campaign resolve-paused --undo --yes", "migrate-state --rollback latest --yes --snapshot-store postgres"} {
		must(t, operator, 0, strings.Fields(line)...)
	}
}

// checkLimits: nobody reads the app's passwords or stops other clients.
func checkLimits(t *testing.T, databaseURL, redisURL string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	for _, table := range []string{"users", "later"} {
		if _, err := c.Exec(t.Context(), "SELECT * FROM "+table); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%s: %s: %v", databaseURL, table, err)
		}
	}
	o, err := redis.ParseURL(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(o)
	defer client.Close()
	for _, command := range []string{"CLIENT PAUSE 1", "CLIENT KILL TYPE normal", "CLIENT LIST", "CLIENT NO-EVICT on", "SHUTDOWN NOSAVE", "FLUSHALL", "CONFIG SET save x"} {
		var words []any
		for w := range strings.FieldsSeq(command) {
			words = append(words, w)
		}
		if err := client.Do(t.Context(), words...).Err(); err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
			t.Errorf("%s: %s: %v", redisURL, command, err)
		}
	}
}

func must(t *testing.T, env []string, code int, args ...string) {
	t.Helper()
	if r := leadgenctl(t, env, args...); r.code != code {
		t.Errorf("leadgenctl %s: exit %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.stdout, r.stderr)
	}
}

// aclUsers reads scripts/roles/redis.acl as Redis does.
func aclUsers(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testenv.Root(), "scripts", "roles", "redis.acl"))
	if err != nil {
		t.Fatal(err)
	}
	users := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if f := strings.SplitN(strings.TrimSpace(line), " ", 3); len(f) == 3 && f[0] == "user" {
			users[f[1]] = f[2]
		}
	}
	return users
}

func runSQL(t *testing.T, databaseURL, file string) {
	t.Helper()
	sql, err := os.ReadFile(filepath.Join(testenv.Root(), file))
	if err != nil {
		t.Fatal(err)
	}
	runStatement(t, databaseURL, string(sql))
}

func runStatement(t *testing.T, databaseURL, sql string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	if _, err := c.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

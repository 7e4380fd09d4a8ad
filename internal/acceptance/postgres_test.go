package acceptance_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// Every form of a PostgreSQL address that ops people have reaches the campaigns.
func TestEveryPostgresAddressWorks(t *testing.T) {
	t.Parallel()
	p := testenv.StartPostgres(t, servers.PostgresOptions{Password: "pa:ss/w@rd"})
	secure := testenv.StartPostgres(t, servers.PostgresOptions{Password: "pa:ss/w@rd", TLS: testenv.NewCertificates(t)})
	testenv.LoadPlatform(t, p.URL("postgres"))
	testenv.LoadPlatform(t, secure.URL("postgres"))
	pooled := testenv.StartPgBouncer(t, testenv.NewDatabase(t), 1)
	services := filepath.Join(t.TempDir(), "pg_service.conf")
	text := fmt.Sprintf("[leadgen]\nhost=127.0.0.1\nport=%d\nuser=postgres\ndbname=postgres\nsslmode=disable\n", p.Port)
	if err := os.WriteFile(services, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	port := fmt.Sprint(p.Port)
	for name, env := range map[string][]string{
		"URL":           {"DATABASE_URL=" + p.URL("postgres")},
		"SQLAlchemy":    {"DATABASE_URL=" + strings.Replace(p.URL("postgres"), "postgres://", "postgresql+psycopg2://", 1)},
		"asyncpg":       {"DATABASE_URL=postgresql+asyncpg://postgres:" + url.QueryEscape("pa:ss/w@rd") + "@127.0.0.1:" + port + "/postgres?ssl=disable"},
		"key=value":     {"LEADGENCTL_DATABASE_URL=host=127.0.0.1 port=" + port + " user=postgres password=pa:ss/w@rd dbname=postgres sslmode=disable"},
		"Unix socket":   {"LEADGENCTL_DATABASE_URL=host=" + p.Dir + " port=" + port + " user=postgres password=pa:ss/w@rd dbname=postgres"},
		"PG* variables": {"PGHOST=127.0.0.1", "PGPORT=" + port, "PGUSER=postgres", "PGPASSWORD=pa:ss/w@rd", "PGDATABASE=postgres", "PGSSLMODE=disable"},
		"service file":  {"LEADGENCTL_DATABASE_URL=service=leadgen", "PGSERVICEFILE=" + services, "PGPASSWORD=pa:ss/w@rd"},
		"app's parts":   {"POSTGRES_SERVER=127.0.0.1", "POSTGRES_PORT=" + port, "POSTGRES_USER=postgres", "POSTGRES_PASSWORD=pa:ss/w@rd", "POSTGRES_DB=postgres"},
		"TLS":           {"DATABASE_URL=" + secure.URL("postgres")},
		"PgBouncer":     {"DATABASE_URL=" + pooled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 2 { // twice, through a pooler too: nothing of the first run's session may be in the way
				r := leadgenctl(t, env, "campaign", "status", "-o", "json")
				if r.code != 0 || !strings.Contains(r.stdout, "{") {
					t.Fatalf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
				}
			}
		})
	}
}

// Each thing that can be wrong with a PostgreSQL address is one clear message.
func TestWrongPostgresAddressesAreExplained(t *testing.T) {
	t.Parallel()
	p := testenv.StartPostgres(t, servers.PostgresOptions{Password: "pa:ss/w@rd"})
	secure := testenv.StartPostgres(t, servers.PostgresOptions{Password: "pa:ss/w@rd", TLS: testenv.NewCertificates(t)})
	hung := testenv.StartProxy(t, fmt.Sprintf("127.0.0.1:%d", p.Port))
	if err := hung.Hang(); err != nil {
		t.Fatal(err)
	}
	password := url.QueryEscape("pa:ss/w@rd")
	for name, c := range map[string]struct {
		url  string
		code int
		says string
	}{
		"not a URL":        {"hello", 2, "hello"},
		"unknown scheme":   {"mysql://root:topsecret@localhost/leadgen", 2, "mysql"},
		"bad port":         {"postgres://u:topsecret@localhost:x/leadgen", 2, "port"},
		"unreachable":      {"postgres://u:topsecret@127.0.0.1:1/leadgen", 3, "refused"},
		"no such host":     {"postgres://u:topsecret@db.invalid/leadgen", 3, "db.invalid"},
		"wrong password":   {p.UserURL("postgres", "topsecret", "postgres"), 3, "password"},
		"no such user":     {p.UserURL("nobody", "topsecret", "postgres"), 3, "nobody"},
		"no such database": {p.UserURL("postgres", "pa:ss/w@rd", "nowhere"), 3, "nowhere"},
		"TLS not trusted":  {fmt.Sprintf("postgres://postgres:%s@127.0.0.1:%d/postgres?sslmode=verify-full", password, secure.Port), 3, "certificate"},
		"TLS wanted":       {fmt.Sprintf("postgres://postgres:%s@127.0.0.1:%d/postgres?sslmode=require", password, p.Port), 3, "TLS"},
		"TLS demanded":     {fmt.Sprintf("postgres://postgres:%s@127.0.0.1:%d/postgres?sslmode=disable", password, secure.Port), 3, "pg_hba"},
		"missing table":    {p.URL("postgres"), 3, "campaigns"},
		"hangs":            {"postgres://postgres:topsecret@" + hung.Addr() + "/postgres?sslmode=disable", 3, "time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := leadgenctl(t, nil, "campaign", "status", "--timeout", "2s", "--database-url", c.url)
			checkError(t, r, c.code, c.says, "topsecret", "pa:ss", password)
		})
	}
}

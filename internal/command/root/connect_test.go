package root_test

import (
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

const secret = "hunter2-secret"

// failure is a mistake that people make, and what they should be told.
type failure struct {
	name, database, redis string
	args                  []string
	code                  int
	says                  string // on stderr
}

func (f failure) check(t *testing.T) {
	t.Helper()
	cli := testenv.NewCLI(t, f.database, f.redis)
	cli.Env = append(cli.Env, "LEADGENCTL_TIMEOUT=2s")
	o := cli.Expect(f.code, f.args...)
	lines := strings.Split(strings.TrimSpace(o.Stderr), "\n")
	if !strings.Contains(o.Stderr, f.says) || strings.Contains(o.Stderr+o.Stdout, secret) || len(lines) > 2 || !strings.HasPrefix(lines[0], "error: ") {
		t.Errorf("stderr: %swant one message that says %q, one hint, and no secret", o.Stderr, f.says)
	}
	if f.code != 2 && len(lines) < 2 {
		t.Errorf("no next step is given: %s", o.Stderr)
	}
}

// blackHole accepts connections and never answers.
func blackHole(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func closedPort(t *testing.T) string {
	t.Helper()
	port, err := servers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

func TestPostgresMistakes(t *testing.T) {
	t.Parallel()
	paused := []string{"campaign", "check-paused"}
	locked := testenv.StartPostgres(t, servers.PostgresOptions{Password: secret})
	plain := testenv.NewDatabase(t)
	nobody := strings.Replace(plain.URL, "/t_", "/absent_", 1)
	for _, f := range []failure{
		{"a wrong scheme", "mysql://u:" + secret + "@h/d", "", paused, 2, "is not postgresql"},
		{"rubbish", "leadgen", "", paused, 2, "neither a URL nor key=value"},
		{"a bad port", "postgres://u:" + secret + "@h:port/d", "", paused, 2, "database URL"},
		{"a closed port", "postgres://u:" + secret + "@" + closedPort(t) + "/d", "", paused, 3, "connection refused"},
		{"an unknown host", "postgres://u:" + secret + "@no.such.host.invalid/d", "", paused, 3, "no.such.host.invalid"},
		{"silence", "postgres://u:" + secret + "@" + blackHole(t) + "/d", "", paused, 3, "no answer in time"},
		{"a wrong password", locked.UserURL("postgres", secret+"x", "postgres"), "", paused, 3, "password authentication failed"},
		{"no such database", nobody, "", paused, 3, "does not exist"},
		{"no TLS there", plain.URL + "&sslmode=require", "", paused, 3, "does not speak TLS"},
		{"no such table", testenv.NewEmptyDatabase(t).URL, "", paused, 3, `relation "campaigns" does not exist`},
		{"a socket that is not there", "host=/nonexistent user=u dbname=d", "", paused, 3, "/nonexistent"},
	} {
		t.Run(f.name, func(t *testing.T) { t.Parallel(); f.check(t) })
	}
}

func TestRedisMistakes(t *testing.T) {
	t.Parallel()
	status := []string{"breaker", "history"}
	plain := testenv.NewRedis(t)
	locked := testenv.StartRedisWith(t, servers.RedisOptions{Password: secret, Users: map[string]string{"mute": "on >pw ~* -@all +ping +hello"}})
	secure := testenv.StartRedisWith(t, servers.RedisOptions{TLS: testenv.NewCertificates(t)})
	for _, f := range []failure{
		{"a wrong scheme", "", "http://:" + secret + "@h", status, 2, `"http" is not one of`},
		{"an unknown option", "", "redis://:" + secret + "@h?colour=red", status, 2, `unknown option "colour"`},
		{"a closed port", "", "redis://:" + secret + "@" + closedPort(t), status, 3, "connection refused"},
		{"an unknown host", "", "redis://:" + secret + "@no.such.host.invalid", status, 3, "no.such.host.invalid"},
		{"silence", "", "redis://:" + secret + "@" + blackHole(t), status, 3, "no answer in time"},
		{"no password", "", "redis://" + locked.Addr(), status, 3, "NOAUTH"},
		{"a wrong password", "", "redis://:" + secret + "x@" + locked.Addr(), status, 3, "WRONGPASS"},
		{"a user without rights", "", "redis://mute:pw@" + locked.Addr(), status, 3, "NOPERM"},
		{"no such database", "", "redis://" + locked.Addr() + "/99999", status, 3, ""},
		{"TLS to a plain server", "", strings.Replace(plain.URL, "redis://", "rediss://", 1), status, 3, "in place of rediss://"},
		{"an untrusted certificate", "", "rediss://" + secure.Addr(), status, 3, "certificate is not trusted"},
		{"a plain client on a TLS port", "", "redis://" + secure.Addr(), status, 3, "connection was cut"},
		{"no Sentinel there", "", "sentinel://" + closedPort(t) + "/m", status, 3, "check that the Sentinels are reached"},
	} {
		t.Run(f.name, func(t *testing.T) { t.Parallel(); f.check(t) })
	}
}

func TestEveryFormConnects(t *testing.T) {
	t.Parallel()
	certificates := testenv.NewCertificates(t)
	pg := testenv.StartPostgres(t, servers.PostgresOptions{Password: "p@ss/w:rd", TLS: certificates})
	tlsQuery := "?sslmode=verify-full&sslrootcert=" + url.QueryEscape(certificates.CA)
	userinfo := url.UserPassword("postgres", "p@ss/w:rd").String()
	at := userinfo + "@127.0.0.1:" + strconv.Itoa(pg.Port) + "/postgres"
	for name, address := range map[string]string{
		"a URL with TLS":   "postgresql://" + at + tlsQuery,
		"SQLAlchemy":       "postgresql+psycopg2://" + at + tlsQuery,
		"key and value":    "host=127.0.0.1 port=" + strconv.Itoa(pg.Port) + " user=postgres password='p@ss/w:rd' dbname=postgres sslmode=verify-ca sslrootcert=" + certificates.CA,
		"a Unix socket":    "postgresql://" + userinfo + "@/postgres?host=" + url.QueryEscape(pg.Dir) + "&port=" + strconv.Itoa(pg.Port),
		"its own variable": "",
	} {
		t.Run("PostgreSQL by "+name, func(t *testing.T) {
			t.Parallel()
			cli := testenv.NewCLI(t, address, "")
			if address == "" {
				cli.Env = append(cli.Env, "PGHOST=127.0.0.1", "PGPORT="+strconv.Itoa(pg.Port), "PGUSER=postgres", "PGPASSWORD=p@ss/w:rd",
					"PGDATABASE=postgres", "PGSSLMODE=verify-full", "PGSSLROOTCERT="+certificates.CA)
			}
			cli.Expect(0, "migrate", "status")
		})
	}

	secure := testenv.StartRedisWith(t, servers.RedisOptions{TLS: certificates, Password: secret})
	socket := filepath.Join(t.TempDir(), "r.sock")
	testenv.StartRedis(t, "--unixsocket", socket)
	cluster := testenv.StartRedisCluster(t)
	sentinel := testenv.StartRedisSentinel(t)
	for name, address := range map[string]string{
		"TLS":           "rediss://:" + secret + "@" + secure.Addr() + "/0?ssl_ca_certs=" + url.QueryEscape(certificates.CA),
		"TLS unchecked": "rediss://:" + secret + "@" + secure.Addr() + "/0?ssl_cert_reqs=none",
		"a Unix socket": "unix://" + socket,
		"Cluster":       "redis+cluster://" + strings.Join(cluster.Addrs(), ","),
		"Sentinel":      "sentinel://" + strings.Join(sentinel.Addrs(), ",") + "/" + servers.SentinelMaster + "/0",
	} {
		t.Run("Redis by "+name, func(t *testing.T) {
			t.Parallel()
			testenv.NewCLI(t, "", address).Expect(0, "breaker", "history")
		})
	}
}

func TestUsageMistakes(t *testing.T) {
	t.Parallel()
	for _, f := range []failure{
		{"an unknown noun", "", "", []string{"braker"}, 2, `unknown command "braker"`},
		{"an unknown verb", "", "", []string{"breaker", "opn"}, 2, "did you mean: leadgenctl breaker open"},
		{"an unknown flag", "", "", []string{"breaker", "status", "--bogus"}, 2, "unknown flag: --bogus"},
		{"a word too many", "", "", []string{"version", "please"}, 2, "see: leadgenctl version --help"},
		{"an unknown format", "", "", []string{"version", "-o", "xml"}, 2, "known are: table, json, yaml"},
		{"a bad time-out", "", "", []string{"config", "view", "--timeout", "0s"}, 2, "not a positive duration"},
		{"an unknown context", "", "", []string{"config", "view", "--context", "prod"}, 2, `no context "prod"`},
	} {
		t.Run(f.name, func(t *testing.T) { t.Parallel(); f.check(t) })
	}
}

func TestConfigInitAndView(t *testing.T) {
	t.Parallel()
	cli := testenv.NewCLI(t, "postgresql://ann:"+secret+"@h/d", "redis://:"+secret+"@h/0")
	o := cli.Expect(0, "config", "init")
	if !strings.Contains(o.Stderr, filepath.Join(cli.Dir, ".config", "leadgenctl", "leadgenctl.yaml")) {
		t.Errorf("init: %s", o.Stderr)
	}
	cli.Expect(4, "config", "init")
	cli.Expect(0, "config", "init", "--force")
	var v struct {
		Context  string
		Settings []struct{ Name, Value, Source string }
	}
	cli.JSON(&v, 0, "config", "view")
	if v.Context != "local" || v.Settings[0].Value != "postgresql://ann:xxxxx@h/d" || v.Settings[0].Source != "environment LEADGENCTL_DATABASE_URL" {
		t.Errorf("view: %+v", v)
	}
	if o := cli.Expect(0, "config", "view", "-o", "yaml"); strings.Contains(o.Stdout, secret) || !strings.Contains(o.Stdout, "redis://:xxxxx@h/0") {
		t.Errorf("yaml: %s", o.Stdout)
	}
}

func TestCompletionAndHelpConnectToNothing(t *testing.T) {
	t.Parallel()
	cli := testenv.NewCLI(t, "postgres://127.0.0.1:1/none", "redis://127.0.0.1:1/0")
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if o := cli.Expect(0, "completion", shell); !strings.Contains(o.Stdout, "leadgenctl") {
			t.Errorf("%s: %s", shell, o.Stdout)
		}
	}
	if o := cli.Expect(0, "__complete", "breaker", ""); !strings.Contains(o.Stdout, "history") {
		t.Errorf("completion: %s", o.Stdout)
	}
	cli.Expect(0, "--help")
	cli.Expect(0, "breaker")
}

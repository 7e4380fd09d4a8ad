package acceptance_test

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// Every form of a Redis address that ops people have opens and closes the breaker.
func TestEveryRedisAddressWorks(t *testing.T) {
	t.Parallel()
	certs := testenv.NewCertificates(t)
	plain := testenv.StartRedis(t)
	socket := filepath.Join(plain.Dir, "redis.sock") // any folder that is removed at the end
	testenv.StartRedis(t, "--unixsocket", socket)
	locked := testenv.StartRedisWith(t, servers.RedisOptions{Password: "pa:ss/w@rd"})
	acl := testenv.StartRedisWith(t, servers.RedisOptions{Users: map[string]string{"operator": "on >s3cret ~* &* +@all -@dangerous +info"}})
	secure := testenv.StartRedisWith(t, servers.RedisOptions{TLS: certs, Password: "s3cret"})
	sentinels := testenv.StartRedisSentinel(t)
	cluster := testenv.StartRedisCluster(t)
	ca := url.QueryEscape(certs.CA)
	for name, env := range map[string][]string{
		"plain":           {"REDIS_URL=" + plain.URL(3)},
		"the app's parts": {"REDIS_HOST=127.0.0.1", fmt.Sprintf("REDIS_PORT=%d", plain.Port), "REDIS_DB=4"},
		"unix socket":     {"LEADGENCTL_REDIS_URL=unix://" + socket + "?db=1"},
		"password":        {"LEADGENCTL_REDIS_URL=" + locked.URL(0)},
		"ACL user":        {"LEADGENCTL_REDIS_URL=" + acl.UserURL("operator", "s3cret", 0)},
		"TLS":             {"LEADGENCTL_REDIS_URL=" + secure.URL(0) + "?ssl_ca_certs=" + ca},
		"TLS both ways": {"LEADGENCTL_REDIS_URL=" + secure.URL(1) + "?ssl_ca_certs=" + ca + "&ssl_certfile=" +
			url.QueryEscape(certs.ClientCert) + "&ssl_keyfile=" + url.QueryEscape(certs.ClientKey)},
		"TLS without a check": {"LEADGENCTL_REDIS_URL=" + secure.URL(2) + "?ssl_cert_reqs=none"},
		"Sentinel":            {"LEADGENCTL_REDIS_URL=sentinel://" + strings.Join(sentinels.Addrs(), ",") + "/" + servers.SentinelMaster + "/0"},
		"Cluster":             {"LEADGENCTL_REDIS_URL=redis+cluster://" + strings.Join(cluster.Addrs(), ",")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := testenv.NewDatabase(t)
			env = append(env, "LEADGENCTL_DATABASE_URL="+db.URL)
			for _, step := range []struct {
				args []string
				want string
			}{
				{[]string{"migrate", "up", "--to", "base", "--yes"}, "applied"},
				{[]string{"breaker", "open", "--reason", "acceptance", "-o", "json"}, `"changed": true`},
				{[]string{"breaker", "status", "-o", "json"}, `"state": "open"`},
				{[]string{"breaker", "close", "--reason", "acceptance", "-o", "json"}, `"changed": true`},
				{[]string{"migrate-state", "--dry-run", "-o", "json"}, `"applied": false`},
			} {
				r := leadgenctl(t, env, step.args...)
				if r.code != 0 || !strings.Contains(r.stdout, step.want) {
					t.Fatalf("%v: exit %d, want 0 and %q\n%s%s", step.args, r.code, step.want, r.stdout, r.stderr)
				}
			}
		})
	}
}

// Each thing that can be wrong with a Redis address is one clear message, in
// time, with its own exit code, and without the password.
func TestWrongRedisAddressesAreExplained(t *testing.T) {
	t.Parallel()
	locked := testenv.StartRedisWith(t, servers.RedisOptions{Password: "pa:ss/w@rd"})
	secure := testenv.StartRedisWith(t, servers.RedisOptions{TLS: testenv.NewCertificates(t)})
	sentinels := testenv.StartRedisSentinel(t)
	plain := testenv.StartRedis(t)
	hung := testenv.StartProxy(t, plain.Addr())
	if err := hung.Hang(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		url  string
		code int
		says string
	}{
		"not a URL":         {"hello", 2, "scheme"},
		"unknown scheme":    {"http://:topsecret@localhost", 2, `"http"`},
		"bad port":          {"redis://:topsecret@localhost:99999", 2, "port"},
		"bad database":      {plain.URL(0) + "x", 2, "database"},
		"no such database":  {plain.URL(99), 3, "DB index"},
		"unknown option":    {plain.URL(0) + "?fast=yes", 2, "fast"},
		"unreachable":       {"redis://:topsecret@127.0.0.1:1/0", 3, "refused"},
		"no such host":      {"redis://:topsecret@redis.invalid/0", 3, "redis.invalid"},
		"no password":       {locked.UserURL("", "", 0), 3, "password"},
		"wrong password":    {locked.UserURL("", "topsecret", 0), 3, "WRONGPASS"},
		"TLS not trusted":   {secure.URL(0), 3, "certificate"},
		"plain to TLS":      {"redis://" + secure.Addr(), 3, "cut"},
		"TLS to plain":      {"rediss://:topsecret@" + plain.Addr(), 3, "no answer"},
		"unknown master":    {"sentinel://" + strings.Join(sentinels.Addrs(), ",") + "/nobody/0", 3, "master"},
		"not a cluster":     {"redis+cluster://" + plain.Addr(), 3, "cluster"},
		"hangs":             {"redis://:topsecret@" + hung.Addr() + "/0", 3, "time"},
		"CA file not there": {secure.URL(0) + "?ssl_ca_certs=/nowhere/ca.pem", 2, "/nowhere/ca.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := leadgenctl(t, nil, "migrate-state", "--dry-run", "--timeout", "2s", "--redis-url", c.url)
			checkError(t, r, c.code, c.says, "topsecret", "pa:ss", "pa%3Ass")
		})
	}
}

// checkError holds what every failure owes to its reader.
func checkError(t *testing.T, r result, code int, says string, secrets ...string) {
	t.Helper()
	if r.code != code || !strings.Contains(r.stderr, says) {
		t.Errorf("exit %d, want %d and a message with %q:\n%s", r.code, code, says, r.stderr)
	}
	if r.stdout != "" {
		t.Errorf("something on stdout: %s", r.stdout)
	}
	if n := strings.Count(strings.TrimSpace(r.stderr), "\n"); n > 2 {
		t.Errorf("the message has %d lines:\n%s", n+1, r.stderr)
	}
	for _, bad := range append(secrets, "goroutine ", "panic:") {
		if strings.Contains(r.stderr, bad) {
			t.Errorf("the message holds %q:\n%s", bad, r.stderr)
		}
	}
	if limit := 30 * time.Second; r.took > limit { // --timeout is 2s; the rest is for a busy machine
		t.Errorf("took %v", r.took)
	}
}

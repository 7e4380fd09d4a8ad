package testenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leadgenctl/leadgenctl/internal/servers"
)

// Servers for one test alone, stopped at its end.

// StartRedis starts a Redis server for tests that stop it or use pub/sub.
func StartRedis(t testing.TB, extra ...string) *servers.Redis {
	t.Helper()
	return StartRedisWith(t, servers.RedisOptions{Extra: extra})
}

// StartRedisWith starts a Redis server with a password, ACL users or TLS.
func StartRedisWith(t testing.TB, options servers.RedisOptions) *servers.Redis {
	t.Helper()
	r, err := servers.StartRedisWith(startContext(t), serverDir(t), options)
	must(t, err)
	t.Cleanup(r.Stop)
	return r
}

// StartRedisCluster starts a Redis Cluster of three masters.
func StartRedisCluster(t testing.TB, extra ...string) *servers.RedisCluster {
	t.Helper()
	c, err := servers.StartRedisCluster(startContext(t), serverDir(t), 3, extra...)
	must(t, err)
	t.Cleanup(c.Stop)
	return c
}

// StartRedisSentinel starts a master, a replica and three Sentinels.
func StartRedisSentinel(t testing.TB) *servers.RedisSentinel {
	t.Helper()
	s, err := servers.StartRedisSentinel(startContext(t), serverDir(t))
	must(t, err)
	t.Cleanup(s.Stop)
	return s
}

// StartPostgres starts a PostgreSQL server with a password or TLS, or for tests
// that stop it. Its databases are empty: see LoadPlatform.
func StartPostgres(t testing.TB, options servers.PostgresOptions) *servers.Postgres {
	t.Helper()
	p, err := servers.StartPostgresWith(startContext(t), serverDir(t), options)
	must(t, err)
	t.Cleanup(p.Stop)
	return p
}

// StartStandby starts a streaming replica of a server.
func StartStandby(t testing.TB, primary *servers.Postgres) *servers.Postgres {
	t.Helper()
	dir := serverDir(t)
	must(t, os.Chmod(dir, 0o777)) // the server's user makes its data directory there
	p, err := primary.StartStandby(startContext(t), dir)
	must(t, err)
	t.Cleanup(p.Stop)
	return p
}

// StartPgBouncer starts a pooler in transaction mode in front of the shared
// PostgreSQL server, with so many connections to it, and returns the address of the
// database through it. With one, two clients in turn share its session.
func StartPgBouncer(t testing.TB, db *Database, connections int) (url string) {
	t.Helper()
	o := db.Pool.Config().ConnConfig
	b, err := servers.StartPgBouncer(startContext(t), serverDir(t), o.Host, int(o.Port), connections)
	must(t, err)
	t.Cleanup(b.Stop)
	return b.URL(o.Database)
}

// StartRabbitMQ starts a RabbitMQ node for tests that stop it; others use NewVHost.
func StartRabbitMQ(t testing.TB) *servers.RabbitMQ {
	t.Helper()
	r, err := servers.StartRabbitMQ(startContext(t), serverDir(t))
	must(t, err)
	t.Cleanup(r.Stop)
	return r
}

// NewVHost makes an empty virtual host on the shared RabbitMQ and returns its AMQP address.
func NewVHost(t testing.TB) (amqpURL string) {
	t.Helper()
	management, name := managementURL(t), "t-"+uuid.NewString()
	must(t, servers.NewVHost(startContext(t), management, name))
	t.Cleanup(func() {
		if err := servers.DeleteVHost(context.Background(), management, name); err != nil {
			t.Logf("delete the virtual host: %v", err)
		}
	})
	return withDatabase(shared.rabbitmq, name)
}

// StartProxy puts a proxy that can be cut before host:port.
func StartProxy(t testing.TB, upstream string) *servers.Proxy {
	t.Helper()
	p, err := servers.StartProxy(upstream)
	must(t, err)
	t.Cleanup(p.Stop)
	return p
}

// NewCertificates makes the certificates of a TLS server and its client.
func NewCertificates(t testing.TB) *servers.Certificates {
	t.Helper()
	c, err := servers.NewCertificates(filepath.Join(serverDir(t), "certificates"))
	must(t, err)
	return c
}

// StartCeleryWorker starts a real Celery worker that runs the platform's tasks
// and logs each execution in worker_log.executions of the database.
func StartCeleryWorker(t testing.TB, brokerURL, databaseURL string, options servers.CeleryOptions) *servers.CeleryWorker {
	t.Helper()
	options.BrokerURL, options.DatabaseURL = brokerURL, databaseURL
	LoadSQL(t, databaseURL, "celery/executions.sql")
	w, err := servers.StartCeleryWorker(startContext(t), serverDir(t), options)
	must(t, err)
	t.Cleanup(func() {
		w.Kill()
		if t.Failed() {
			t.Logf("log of the Celery worker %s:\n%s", w.Name, w.Log())
		}
	})
	return w
}

// RunCelery runs Python code that may `import leadgen_worker`, as the platform's
// API does to send tasks, and returns what it prints.
func RunCelery(t testing.TB, brokerURL, databaseURL, code string) string {
	t.Helper()
	cmd, err := servers.CeleryCommand(startContext(t), servers.CeleryOptions{BrokerURL: brokerURL, DatabaseURL: databaseURL}, code)
	must(t, err)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("Python: %v\n%s", err, stderrOf(err))
	}
	return string(out)
}

// serverDir is a folder for the servers of one test.
func serverDir(t testing.TB) string {
	t.Helper()
	shared.mu.Lock()
	base, err := tempDir()
	shared.mu.Unlock()
	must(t, err)
	dir, err := os.MkdirTemp(base, "private-")
	must(t, err)
	must(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Log(fmt.Errorf("clean up: %w", err))
		}
	})
	return dir
}

// NewPool connects to a database the way leadgenctl does: nothing is prepared under a name.
func NewPool(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	c, err := pgxpool.ParseConfig(url)
	must(t, err)
	c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	pool, err := pgxpool.NewWithConfig(context.Background(), c)
	must(t, err)
	t.Cleanup(pool.Close)
	return pool
}

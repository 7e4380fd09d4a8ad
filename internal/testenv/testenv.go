// Package testenv gives every test its own PostgreSQL database and its own
// Redis database on servers that the test run started itself.
//
// A package's tests call Main from TestMain. `make test` starts the servers once
// for all packages and passes their addresses in the environment; a bare
// `go test ./breaker` starts its own and stops them at the end.
package testenv

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/internal/servers"
)

// Addresses of shared servers, set by `make test`.
const (
	EnvPostgres   = "LEADGENCTL_TEST_POSTGRES"   // URL of a database whose user may create databases
	EnvRedis      = "LEADGENCTL_TEST_REDIS"      // URL of a server with at least 10000 databases
	EnvRabbitMQ   = "LEADGENCTL_TEST_RABBITMQ"   // AMQP URL of the default virtual host
	EnvManagement = "LEADGENCTL_TEST_MANAGEMENT" // HTTP URL of the same server's management plug-in
	EnvBinary     = "LEADGENCTL_TEST_BINARY"     // a leadgenctl that is built already
)

// RedisDatabases is how many numbered databases the shared Redis must have.
const RedisDatabases = 10000

var shared struct {
	mu         sync.Mutex
	dir        string
	stop       []func()
	postgres   string
	redis      string
	rabbitmq   string
	management string
}

// Main runs a package's tests and stops what they started, also when the run is
// interrupted; what a panic or a time-out leaves is ended by the servers' guard.
// Use: func TestMain(m *testing.M) { testenv.Main(m) }
func Main(m *testing.M) {
	shared.postgres, shared.redis = os.Getenv(EnvPostgres), os.Getenv(EnvRedis)
	shared.rabbitmq, shared.management = os.Getenv(EnvRabbitMQ), os.Getenv(EnvManagement)
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		os.Exit(130) // the guard ends the servers
	}()
	code := m.Run()
	for _, stop := range shared.stop {
		stop()
	}
	os.Exit(code)
}

// tempDir is the process's folder; the caller holds shared.mu.
func tempDir() (string, error) {
	if shared.dir != "" {
		return shared.dir, nil
	}
	dir, remove, err := servers.TempDir("leadgenctl-test-")
	if err != nil {
		return "", err
	}
	shared.dir = dir
	shared.stop = append(shared.stop, remove)
	return dir, nil
}

// sharedServer returns *address, after starting the server on first use.
func sharedServer(t testing.TB, address *string, start func(ctx context.Context, dir string) (stop func(), err error)) string {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if *address == "" {
		dir, err := tempDir()
		must(t, err)
		stop, err := start(startContext(t), dir)
		must(t, err)
		shared.stop = append([]func(){stop}, shared.stop...) // the folder goes last
	}
	return *address
}

// PostgresURL is the address of the shared server, started on first use.
func PostgresURL(t testing.TB) string {
	t.Helper()
	return sharedServer(t, &shared.postgres, func(ctx context.Context, dir string) (func(), error) {
		pg, err := servers.StartPostgres(ctx, dir)
		if err != nil {
			return nil, err
		}
		shared.postgres = pg.URL("postgres")
		return pg.Stop, nil
	})
}

// RedisURL is the address of the shared server's database 0, started on first use.
func RedisURL(t testing.TB) string {
	t.Helper()
	return sharedServer(t, &shared.redis, func(ctx context.Context, dir string) (func(), error) {
		r, err := servers.StartRedis(ctx, dir, "--databases", strconv.Itoa(RedisDatabases))
		if err != nil {
			return nil, err
		}
		shared.redis = r.URL(0)
		return r.Stop, nil
	})
}

// managementURL is the address of the shared RabbitMQ's HTTP API, started on first use.
func managementURL(t testing.TB) string {
	t.Helper()
	return sharedServer(t, &shared.management, func(ctx context.Context, dir string) (func(), error) {
		r, err := servers.StartRabbitMQ(ctx, dir)
		if err != nil {
			return nil, err
		}
		shared.rabbitmq, shared.management = r.URL(), r.ManagementURL()
		return r.Stop, nil
	})
}

// Database is one test's own PostgreSQL database.
type Database struct {
	URL  string
	Pool *pgxpool.Pool
}

// NewEmptyDatabase makes a database without any table.
func NewEmptyDatabase(t testing.TB) *Database { return newDatabase(t, "template0") }

// NewDatabase makes a database with the platform's schema (testdata/platform/schema.sql), no rows.
func NewDatabase(t testing.TB) *Database { return newDatabase(t, platformTemplate(t)) }

var (
	templateOnce sync.Once
	templateErr  error
)

const templateName = "leadgenctl_platform_template"

// platformTemplate makes the template database once for all packages that share the server.
func platformTemplate(t testing.TB) string {
	base := PostgresURL(t)
	templateOnce.Do(func() { templateErr = makeTemplate(base) })
	must(t, templateErr)
	return templateName
}

func makeTemplate(base string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	admin, err := pgx.Connect(ctx, base)
	if err != nil {
		return err
	}
	defer admin.Close(ctx)
	// One lock for all test processes: the first one builds, the others find it built.
	if _, err := admin.Exec(ctx, "SELECT pg_advisory_lock(7266)"); err != nil {
		return err
	}
	defer admin.Exec(ctx, "SELECT pg_advisory_unlock(7266)")
	var exists bool
	if err := admin.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)", templateName).Scan(&exists); err != nil || exists {
		return err
	}
	if _, err := admin.Exec(ctx, "DROP DATABASE IF EXISTS "+templateName); err != nil {
		return err
	}
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+templateName+" TEMPLATE template0"); err != nil {
		return err
	}
	sql, err := os.ReadFile(filepath.Join(Root(), "testdata", "platform", "schema.sql"))
	if err != nil {
		return err
	}
	db, err := pgx.Connect(ctx, withDatabase(base, templateName))
	if err != nil {
		return err
	}
	if _, err := db.Exec(ctx, string(sql)); err != nil {
		db.Close(ctx)
		return fmt.Errorf("load the platform's schema: %w", err)
	}
	if err := db.Close(ctx); err != nil {
		return err
	}
	_, err = admin.Exec(ctx, "ALTER DATABASE "+templateName+" IS_TEMPLATE true")
	return err
}

func newDatabase(t testing.TB, template string) *Database {
	t.Helper()
	ctx := startContext(t)
	base := PostgresURL(t)
	admin, err := pgx.Connect(ctx, base)
	must(t, err)
	defer admin.Close(ctx)
	name := fmt.Sprintf("t_%d_%d", os.Getpid(), time.Now().UnixNano())
	_, err = admin.Exec(ctx, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s", name, template))
	must(t, err)
	db := &Database{URL: withDatabase(base, name)}
	db.Pool, err = pgxpool.New(context.Background(), db.URL)
	must(t, err)
	t.Cleanup(func() {
		defer closePool(t, db.Pool)
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		admin, err := pgx.Connect(ctx, base)
		if err != nil {
			t.Logf("drop %s: %v", name, err)
			return
		}
		defer admin.Close(ctx)
		if _, err := admin.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Logf("drop %s: %v", name, err)
		}
	})
	return db
}

// closePool closes the pool once its database is gone. A test that failed may hold
// a connection still, for which Close would wait for ever.
func closePool(t testing.TB, pool *pgxpool.Pool) {
	closed := make(chan struct{})
	go func() { pool.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(5 * time.Second):
		t.Log("the test has not given back every connection of its pool")
	}
}

// RedisDB is one test's own numbered Redis database. Pub/sub channels are shared
// by all databases of a server: a test that needs them to itself starts its own server.
type RedisDB struct {
	URL    string
	Client *redis.Client
}

// NewRedis hands out an empty Redis database and empties it at the end.
func NewRedis(t testing.TB) *RedisDB {
	t.Helper()
	base, err := redis.ParseURL(RedisURL(t))
	must(t, err)
	counter := redis.NewClient(base)
	defer counter.Close()
	n, err := counter.Incr(context.Background(), "leadgenctl-test:next-database").Result()
	must(t, err)
	return newRedisDB(t, fmt.Sprintf("redis://%s/%d", base.Addr, 1+int(n)%(RedisDatabases-1)))
}

func newRedisDB(t testing.TB, url string) *RedisDB {
	t.Helper()
	opt, err := redis.ParseURL(url)
	must(t, err)
	db := &RedisDB{URL: url, Client: redis.NewClient(opt)}
	t.Cleanup(func() {
		if err := db.Client.FlushDB(context.Background()).Err(); err != nil {
			t.Logf("empty %s: %v", db.URL, err)
		}
		db.Client.Close()
	})
	return db
}

// Root is the project's top folder.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

var binary struct {
	once sync.Once
	path string
	err  error
}

// Binary builds cmd/leadgenctl once per test process and returns its path.
// LEADGENCTL_TEST_BINARY names one that is built already.
func Binary(t testing.TB) string {
	t.Helper()
	binary.once.Do(func() {
		if binary.path = os.Getenv(EnvBinary); binary.path != "" {
			return
		}
		shared.mu.Lock()
		dir, err := tempDir()
		shared.mu.Unlock()
		if err != nil {
			binary.err = err
			return
		}
		binary.path = filepath.Join(dir, "leadgenctl")
		cmd := exec.Command("go", "build", "-o", binary.path, "./cmd/leadgenctl")
		cmd.Dir = Root()
		if out, err := cmd.CombinedOutput(); err != nil {
			binary.err = fmt.Errorf("build the binary: %w: %s", err, out)
		}
	})
	must(t, binary.err)
	return binary.path
}

func withDatabase(base, name string) string {
	u, err := url.Parse(base)
	if err != nil {
		panic(err) // the address is our own
	}
	u.Path = "/" + strings.TrimPrefix(name, "/")
	return u.String()
}

func startContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package celery_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/config"
	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// platform is a whole one of a test's own: a Redis for breaker and broker, a database.
type platform struct {
	db     *testenv.Database
	redis  *servers.Redis
	client *redis.Client
	broker *celery.Redis
	queue  *queue.Manager
}

func newPlatform(t testing.TB, s queue.Settings) *platform {
	t.Helper()
	p := &platform{db: testenv.NewDatabase(t), redis: testenv.StartRedis(t)}
	m, err := schema.New(p.db.Pool, schema.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Up(t.Context(), schema.Base); err != nil {
		t.Fatal(err)
	}
	opt, err := redis.ParseURL(p.redis.URL(0))
	if err != nil {
		t.Fatal(err)
	}
	p.client = redis.NewClient(opt)
	t.Cleanup(func() { p.client.Close() })
	if p.broker, err = celery.NewRedis(p.client, celery.Options{}); err != nil {
		t.Fatal(err)
	}
	b, err := breaker.New(p.client, breaker.Settings{Actor: "tester@host"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Broker == nil {
		s.Broker = p.broker
	}
	c, err := config.Database(p.db.URL, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if p.queue, err = queue.New(pool, b, s); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *platform) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if _, err := p.db.Pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func (p *platform) open(t testing.TB) queue.Result {
	t.Helper()
	r, err := p.queue.Open(t.Context(), breaker.OpenOptions{Reason: "Apollo 502", Service: "apollo"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (p *platform) close(t testing.TB) queue.Result {
	t.Helper()
	r, err := p.queue.Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{})
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	return r
}

func (p *platform) worker(t testing.TB, o servers.CeleryOptions) *servers.CeleryWorker {
	t.Helper()
	return testenv.StartCeleryWorker(t, p.redis.URL(0), p.db.URL, o)
}

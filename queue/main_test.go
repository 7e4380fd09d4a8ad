package queue_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/config"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
	"github.com/leadgenctl/leadgenctl/queue"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// house is a platform of one test's own: database, breaker and manager.
type house struct {
	db      *testenv.Database
	redis   *testenv.RedisDB
	breaker *breaker.Breaker
	manager *queue.Manager
}

func newHouse(t testing.TB, s queue.Settings) *house {
	t.Helper()
	h := &house{db: testenv.NewDatabase(t), redis: testenv.NewRedis(t)}
	loadSchema(t, h.db)
	h.breaker = newBreaker(t, h.redis)
	h.manager = h.newManager(t, s)
	return h
}

func (h *house) newManager(t testing.TB, s queue.Settings) *queue.Manager {
	t.Helper()
	m, err := queue.New(commandPool(t, h.db), h.breaker, s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// commandPool is a pool as the commands make it: one that works through PgBouncer.
func commandPool(t testing.TB, db *testenv.Database) *pgxpool.Pool {
	t.Helper()
	c, err := config.Database(db.URL, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func newBreaker(t testing.TB, r *testenv.RedisDB) *breaker.Breaker {
	t.Helper()
	b, err := breaker.New(r.Client, breaker.Settings{Actor: "tester@host"})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// loadSchema installs schema leadgenctl as an operator would.
func loadSchema(t testing.TB, db *testenv.Database) {
	t.Helper()
	m, err := schema.New(db.Pool, schema.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Up(t.Context(), schema.Base); err != nil {
		t.Fatal(err)
	}
}

// statuses returns the status of each job, in the order of the ids.
func (h *house) statuses(t testing.TB, ids []int64) []string {
	t.Helper()
	out := make([]string, len(ids))
	for i, id := range ids {
		if err := h.db.Pool.QueryRow(t.Context(), "SELECT status::text FROM jobs WHERE id = $1", id).Scan(&out[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func (h *house) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if _, err := h.db.Pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

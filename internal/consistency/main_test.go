package consistency_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/config"
	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// house is a healthy platform of one test's own: everything migrated, the breaker
// closed, one running campaign with a job of each kind that may be.
type house struct {
	t       testing.TB
	db      *testenv.Database
	redis   *testenv.RedisDB
	breaker *breaker.Breaker
	manager *queue.Manager
	fixture testenv.Fixture
	broker  *celery.Redis
	pool    *pgxpool.Pool // as the commands make it: nothing is prepared
}

func newHouse(t testing.TB) *house {
	t.Helper()
	return newHouseWith(t, testenv.NewDatabase(t), testenv.StartRedis(t, "--appendonly", "yes", "--appendfsync", "no").URL(0))
}

func newHouseWith(t testing.TB, db *testenv.Database, redisURL string) *house {
	t.Helper()
	o, err := redis.ParseURL(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, db: db, redis: &testenv.RedisDB{URL: redisURL, Client: redis.NewClient(o)}}
	t.Cleanup(func() { h.redis.Client.Close() })
	pc, err := config.Database(db.URL, 10*time.Second)
	h.must(err)
	h.pool, err = pgxpool.NewWithConfig(context.Background(), pc)
	h.must(err)
	t.Cleanup(h.pool.Close)
	s, err := schema.New(h.db.Pool, schema.Settings{})
	h.must(err)
	h.must(s.Up(context.Background(), schema.Latest))
	h.breaker, err = breaker.New(h.redis.Client, breaker.Settings{Actor: "tester@host"})
	h.must(err)
	h.broker, err = celery.NewRedis(h.redis.Client, celery.Options{})
	h.must(err)
	h.manager, err = queue.New(h.db.Pool, h.breaker, queue.Settings{Broker: h.broker})
	h.must(err)
	h.open()
	h.close()
	h.fixture = h.db.NewCampaign(t, "RUNNING", testenv.Job{}, testenv.Job{Status: "PROCESSING"}, testenv.Job{Status: "COMPLETED"})
	h.exec("UPDATE jobs SET completed_at = now() WHERE status = 'COMPLETED'")
	return h
}

func (h *house) open() {
	h.t.Helper()
	_, err := h.manager.Open(context.Background(), breaker.OpenOptions{Reason: "Apollo 502", Service: "apollo"})
	h.must(err)
}

func (h *house) close() {
	h.t.Helper()
	_, err := h.manager.Close(context.Background(), breaker.CloseOptions{Reason: "back"}, queue.ResumeOptions{})
	h.must(err)
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) exec(sql string, args ...any) {
	h.t.Helper()
	if _, err := h.db.Pool.Exec(context.Background(), sql, args...); err != nil {
		h.t.Fatalf("%s: %v", sql, err)
	}
}

func (h *house) set(key, value string, life time.Duration) {
	h.t.Helper()
	h.must(h.redis.Client.Set(context.Background(), key, value, life).Err())
}

// options are those of a run that does not wait long between two looks.
func (h *house) options() consistency.Options {
	return consistency.Options{Broker: h.broker, Pool: h.pool, Redis: h.redis.Client, Services: []string{"apollo", "openai"}, Settle: 30 * time.Millisecond}
}

func (h *house) run(change ...func(*consistency.Options)) *consistency.Report {
	h.t.Helper()
	o := h.options()
	for _, c := range change {
		c(&o)
	}
	r, err := consistency.Run(context.Background(), o)
	h.must(err)
	return r
}

func find(r *consistency.Report, id string) consistency.Result {
	for _, c := range r.Checks {
		if c.ID == id {
			return c
		}
	}
	return consistency.Result{}
}

// healthy fails the test if anything is found, or could not run.
func (h *house) healthy(when string) {
	h.t.Helper()
	for _, c := range h.run().Checks {
		if c.Status == consistency.Fail || c.Status == consistency.Errored {
			h.t.Errorf("%s: %s %s: %d %q %s", when, c.ID, c.Status, c.Count, c.Samples, c.Message)
		}
	}
}

func containsAll(samples []string, words ...string) bool {
	all := strings.Join(samples, "\n")
	for _, w := range words {
		if !strings.Contains(all, w) {
			return false
		}
	}
	return true
}

func zMember() redis.Z {
	return redis.Z{Score: 1795429241.87, Member: "1795429241.87:http_5xx"}
}

// oldEnum brings the value PAUSED back, as a downgrade of the app would.
func (h *house) oldEnum() {
	h.t.Helper()
	s, err := schema.New(h.db.Pool, schema.Settings{})
	h.must(err)
	h.must(s.Down(context.Background(), "operations_audit"))
}

// publish puts a message on the queue that runs a job, as the app does.
func (h *house) publish(task string, job int64) {
	h.t.Helper()
	_, err := h.broker.Publish(context.Background(), "test-"+task, []queue.Task{{ID: task, Name: "process_job_task",
		Kwargs: []queue.Kwarg{{Name: "job_id", Value: job}, {Name: "job_type", Value: "FETCH_LEADS"}, {Name: "campaign_id", Value: h.fixture.CampaignID}}}})
	h.must(err)
}

// guard puts another trigger in the place of the guard's.
func (h *house) guard(event, condition, function string) {
	h.t.Helper()
	h.exec("DROP TRIGGER leadgenctl_job_guard ON jobs")
	h.exec("CREATE TRIGGER leadgenctl_job_guard " + event + " ON jobs FOR EACH ROW WHEN (" + condition + ") EXECUTE FUNCTION " + function + "()")
}

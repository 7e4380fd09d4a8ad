package consistency_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

// longAgo is a job that has been PROCESSING for longer than a task may take, with the
// result of its task where somebody began it.
func (h *house) longAgo(startedBy string) (job int64, task string) {
	h.t.Helper()
	job = h.fixture.JobIDs[1]
	h.must(h.db.Pool.QueryRow(context.Background(), "UPDATE jobs SET created_at = now() - interval '1 hour', updated_at = NULL WHERE id = $1 RETURNING task_id", job).Scan(&task))
	if startedBy != "" {
		h.set("celery-task-meta-"+task, fmt.Sprintf(`{"status": "STARTED", "result": {"pid": 7, "hostname": %q}, "task_id": %q}`, startedBy, task), time.Hour)
	}
	return job, task
}

// A job is a zombie only where no worker that is alive, or may be, works on it.
func TestAZombieIsWithNoWorker(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		startedBy string
		workers   []fakeWorker
		holds     bool // the first worker says that it runs the task
		found     bool
		mended    bool
	}{
		"nobody knows it, no worker":         {found: true, mended: true},
		"nobody knows it, a worker answers":  {workers: []fakeWorker{{name: "w1@test"}}, found: true, mended: true},
		"nobody knows it, a worker hangs":    {workers: []fakeWorker{{silent: true}}, found: true},
		"a worker says that it runs it":      {workers: []fakeWorker{{name: "w1@test"}}, holds: true},
		"begun by a worker that is dead":     {startedBy: "w9@test", workers: []fakeWorker{{name: "w1@test"}}, found: true, mended: true},
		"begun by one, and none listens":     {startedBy: "w9@test", found: true, mended: true},
		"begun by a worker that is alive":    {startedBy: "w1@test", workers: []fakeWorker{{name: "w1@test"}}},
		"begun by one that may be the other": {startedBy: "w9@test", workers: []fakeWorker{{name: "w1@test"}, {silent: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			job, task := h.longAgo(c.startedBy)
			if c.holds {
				c.workers[0].active = map[string]int64{task: job}
			}
			for _, w := range c.workers {
				h.fake(w)
			}
			if r := find(h.run(), "LGQ010"); (r.Status == consistency.Fail) != c.found {
				t.Errorf("%+v", r)
			}
			_, err := consistency.Fix(context.Background(), consistency.FixOptions{Options: h.options(), Manager: h.manager, Actor: "ann@host",
				Zombies: consistency.ZombiesFail}, "LGQ010")
			if (err != nil) != (c.found && !c.mended) {
				t.Errorf("fix: %v", err)
			}
			want := map[bool]string{true: "FAILED", false: "PROCESSING"}[c.mended]
			if err := h.db.Expect("SELECT status = $2::text::jobstatus FROM jobs WHERE id = $1", job, want); err != nil {
				t.Error(err)
			}
		})
	}
}

// Who may only read cannot ask: a task that somebody began is then no finding.
func TestAReaderReportsOnlyCertainZombies(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.must(h.redis.Client.Do(context.Background(), "ACL", "SETUSER", "reader", "on", "nopass", "~*", "&*", "+@read", "+@connection", "+info", "+time", "+config|get", "+pubsub|numsub", "+pubsub|numpat").Err())
	o, err := redis.ParseURL(h.redis.URL)
	h.must(err)
	o.Username, o.Password = "reader", "x"
	client := redis.NewClient(o)
	t.Cleanup(func() { client.Close() })
	reader, err := celery.NewRedis(client, celery.Options{})
	h.must(err)
	as := func(o *consistency.Options) { o.Redis, o.Broker = client, reader }
	_, task := h.longAgo("w9@test")
	if r := find(h.run(as), "LGQ010"); r.Status != consistency.Pass {
		t.Errorf("begun: %+v", r)
	}
	h.must(h.redis.Client.Del(context.Background(), "celery-task-meta-"+task).Err())
	if r := find(h.run(as), "LGQ010"); r.Status != consistency.Fail {
		t.Errorf("not begun: %+v", r)
	}
	h.publish("waits", h.fixture.JobIDs[0])
	if r := find(h.run(as), "LGE004"); r.Status != consistency.Fail {
		t.Errorf("nobody listens: %+v", r)
	}
	h.fake(fakeWorker{silent: true})
	if r := find(h.run(as), "LGE004"); r.Status != consistency.Pass {
		t.Errorf("somebody listens: %+v", r)
	}
}

// A worker that listens is not one that takes messages from the queue.
func TestAQueueThatNobodyConsumesIsFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		workers []fakeWorker
		found   bool
		moves   bool
	}{
		"consumed":                       {workers: []fakeWorker{{name: "w1@test", queues: []string{"celery"}}}},
		"cancel_consumer":                {workers: []fakeWorker{{name: "w1@test"}}, found: true},
		"the one that listens hangs":     {workers: []fakeWorker{{silent: true}}, found: true},
		"one hangs, another consumes":    {workers: []fakeWorker{{silent: true}, {name: "w1@test", queues: []string{"celery"}}}},
		"it does not answer, and works":  {workers: []fakeWorker{{silent: true}}, moves: true},
		"somebody listens to everything": {found: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			for _, w := range c.workers {
				h.fake(w)
			}
			if len(c.workers) == 0 {
				s := h.redis.Client.PSubscribe(t.Context(), "*")
				_, err := s.Receive(t.Context())
				h.must(err)
				t.Cleanup(func() { s.Close() })
			}
			for i := range 50 {
				h.publish(fmt.Sprint("waits-", i), h.fixture.JobIDs[0])
			}
			r := find(h.run(func(o *consistency.Options) {
				o.Only = []string{"LGE004"}
				if c.moves {
					o.Broker = h.moving()
				}
			}), "LGE004")
			if (r.Status == consistency.Fail) != c.found || c.found && !containsAll(r.Samples, "50 messages wait in celery") {
				t.Errorf("%+v", r)
			}
		})
	}
}

// moving is a broker on which each look at the next message finds another one, as where
// somebody takes one between two looks.
func (h *house) moving() *celery.Redis {
	h.t.Helper()
	o, err := redis.ParseURL(h.redis.URL)
	h.must(err)
	client := redis.NewClient(o)
	h.t.Cleanup(func() { client.Close() })
	client.AddHook(taker{h})
	b, err := celery.NewRedis(client, celery.Options{})
	h.must(err)
	return b
}

type taker struct{ h *house }

func (taker) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (taker) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (k taker) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		k.h.redis.Client.RPop(ctx, "celery")
		return next(ctx, cmds)
	}
}

// What a real worker says and does: it stops consuming on demand, and is frozen.
func TestARealWorkerThatStopsConsumingIsFound(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.exec("DELETE FROM jobs WHERE status <> 'COMPLETED'")
	w := testenv.StartCeleryWorker(t, h.redis.URL, h.db.URL, servers.CeleryOptions{})
	testenv.RunCelery(t, h.redis.URL, h.db.URL, "from leadgen_worker import app; app.control.cancel_consumer('celery', reply=True)")
	h.publish("waits", h.fixture.JobIDs[2])
	only := func(o *consistency.Options) { o.Only = []string{"LGE004"} }
	if r := find(h.run(only), "LGE004"); r.Status != consistency.Fail {
		t.Errorf("%+v", r)
	}
	testenv.RunCelery(t, h.redis.URL, h.db.URL, "from leadgen_worker import app; app.control.add_consumer('celery', reply=True)")
	testenv.Eventually(t, 30*time.Second, func() error {
		return h.db.Expect("SELECT count(*) = 1 FROM worker_log.executions")
	})
	if r := find(h.run(only), "LGE004"); r.Status != consistency.Pass {
		t.Errorf("%+v", r)
	}
	h.must(syscall.Kill(-w.Pid(), syscall.SIGSTOP))
	// The frozen process may still be handed one message by Redis.
	h.publish("handed over", h.fixture.JobIDs[2])
	h.publish("waits again", h.fixture.JobIDs[2])
	if r := find(h.run(only), "LGE004"); r.Status != consistency.Fail || !containsAll(r.Samples, "do not answer") {
		t.Errorf("%+v", r)
	}
}

package consistency_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

// message is what a Python client would send of process_job_task, with its own delivery tag.
func message(task, kwargs string) string {
	body := base64.StdEncoding.EncodeToString([]byte(`[[], ` + kwargs + `, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`))
	return fmt.Sprintf(`{"body": %q, "content-encoding": "utf-8", "content-type": "application/json", "headers": {"lang": "py", "task": "process_job_task", "id": %q, "retries": 0}, `+
		`"properties": {"correlation_id": %q, "delivery_mode": 2, "delivery_info": {"exchange": "", "routing_key": "celery"}, "priority": 0, "body_encoding": "base64", "delivery_tag": %q}}`,
		body, task, task, uuid.NewString())
}

// raw queues a message with keyword arguments as they are, and returns its bytes.
func (h *house) raw(task, kwargs string) string {
	h.t.Helper()
	m := message(task, kwargs)
	h.must(h.redis.Client.LPush(context.Background(), "celery", m).Err())
	return m
}

// enrich queues an enrichment, whose message names no job.
func (h *house) enrich(task string) {
	h.t.Helper()
	m := strings.Replace(message(task, `{"lead_id": "l", "campaign_id": "c"}`), "process_job_task", "enrich_lead_task", 1)
	h.must(h.redis.Client.LPush(context.Background(), "celery", m).Err())
}

// reserve gives a message to a worker that does not answer.
func (h *house) reserve(task, kwargs string) {
	h.t.Helper()
	kept, err := json.Marshal([]any{json.RawMessage(message(task, kwargs)), "", "celery"})
	h.must(err)
	h.must(h.redis.Client.HSet(context.Background(), "unacked", uuid.NewString(), kept).Err())
}

func jobKwargs(id any) string {
	return fmt.Sprintf(`{"job_id": %v, "job_type": "FETCH_LEADS", "campaign_id": "c"}`, id)
}

// held are the tasks of each job that are in the broker, as place/task.
func (h *house) held() map[int64][]string {
	h.t.Helper()
	held := map[int64][]string{}
	h.must(h.broker.EachMessage(context.Background(), func(chunk []celery.Found) error {
		for _, f := range chunk {
			held[f.JobID] = append(held[f.JobID], string(f.Place)+"/"+strings.Clone(f.TaskID))
		}
		return nil
	}))
	return held
}

func (h *house) fix(id string) (int64, error) {
	return consistency.Fix(context.Background(), consistency.FixOptions{Options: h.options(), Manager: h.manager, Actor: "ann@host"}, id)
}

// Of a doubled job one message stays: what a worker has, or else what its row names, or
// else what runs first.
func TestOneMessageOfADoubledJobStays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make func(h *house, id int64)
		stay string
	}{
		"a worker has another task": {func(h *house, id int64) { h.reserve("other", jobKwargs(id)); h.raw("own", jobKwargs(id)) }, "reserved/other"},
		"a worker has the row's task": {func(h *house, id int64) {
			h.reserve("own", jobKwargs(id))
			h.raw("own", jobKwargs(id))
			h.raw("x", jobKwargs(id))
		}, "reserved/own"},
		"the row's task came first":  {func(h *house, id int64) { h.raw("own", jobKwargs(id)); h.raw("other", jobKwargs(id)) }, "queued/own"},
		"the row's task came last":   {func(h *house, id int64) { h.raw("other", jobKwargs(id)); h.raw("own", jobKwargs(id)) }, "queued/own"},
		"neither is the row's task":  {func(h *house, id int64) { h.raw("first", jobKwargs(id)); h.raw("second", jobKwargs(id)) }, "queued/first"},
		"the row's task, sent twice": {func(h *house, id int64) { h.raw("own", jobKwargs(id)); h.raw("own", jobKwargs(id)) }, "queued/own"},
		"copies that are equal": {func(h *house, id int64) {
			h.must(h.redis.Client.LPush(h.t.Context(), "celery", h.raw("own", jobKwargs(id)), h.raw("own", jobKwargs(id))).Err())
		}, "queued/own"},
		"copies of different priority": {func(h *house, id int64) {
			h.must(h.redis.Client.LPush(h.t.Context(), "celery\x06\x163", h.raw("own", jobKwargs(id))).Err())
		}, "queued/own"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			id := int64(h.fixture.JobIDs[0])
			h.exec("UPDATE jobs SET task_id = 'own' WHERE id = $1", id)
			h.worker()
			c.make(h, id)
			n, err := h.fix("LGQ007")
			if err != nil || n == 0 {
				t.Errorf("%d, %v", n, err)
			}
			if held := h.held()[id]; len(held) != 1 || held[0] != c.stay {
				t.Errorf("%q is left, want %s", held, c.stay)
			}
			if found := find(h.run(), "LGQ007"); found.Status != consistency.Pass {
				t.Errorf("after the fix: %+v", found)
			}
		})
	}
}

// Of an enrichment that was sent twice one message stays, the one that runs first.
func TestOneMessageOfADoubledEnrichmentStays(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.worker()
	h.enrich("twice")
	h.enrich("once")
	h.enrich("twice")
	h.enrich("twice")
	if found := find(h.run(), "LGQ007"); found.Count != 1 || len(found.Samples) != 1 { // of a job, too, one is told
		t.Errorf("%d: %q", found.Count, found.Samples)
	}
	if n, err := h.fix("LGQ007"); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if held := h.held()[0]; strings.Join(held, " ") != "queued/once queued/twice" {
		t.Errorf("%q are left", held)
	}
}

// While others publish, a walk meets messages where it did not leave them: that makes no
// doubles, and costs no job its last message.
func TestDoublesAmongTraffic(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const jobs = 3000
	h.exec("INSERT INTO jobs (id, task_id, name, status, campaign_id) SELECT i, 'task-' || i, 'n', 'PENDING', $1 FROM generate_series(1001, 1000 + $2::int) AS i", h.fixture.CampaignID, jobs)
	h.worker()
	queued := func(round string) {
		var tasks []queue.Task
		for id := int64(1001); id <= 1000+jobs; id++ {
			tasks = append(tasks, queue.Task{ID: fmt.Sprintf("task-%d%s", id, round), Name: "process_job_task", Kwargs: []queue.Kwarg{{Name: "job_id", Value: id}}})
		}
		_, err := h.broker.Publish(t.Context(), "doubles"+round, tasks)
		h.must(err)
	}
	queued("")
	traffic, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		other := message("other", `{"lead_id": "l"}`)
		pace := time.NewTicker(time.Millisecond)
		defer pace.Stop()
		for i := 0; traffic.Err() == nil; i++ {
			_ = h.redis.Client.LPush(traffic, "celery", strings.Replace(other, "other", fmt.Sprint("other-", i), 1)).Err()
			<-pace.C
		}
	}()
	for range 5 {
		if found := find(h.run(func(o *consistency.Options) { o.Only = []string{"LGQ007"} }), "LGQ007"); found.Status != consistency.Pass {
			t.Errorf("before there are any: %+v", found)
		}
	}
	queued("-again")
	n, err := h.fix("LGQ007")
	stop()
	<-done
	if err != nil || n != jobs {
		t.Errorf("%d messages were withdrawn, %v; want %d", n, err, jobs)
	}
	held := h.held()
	for id := int64(1001); id <= 1000+jobs; id++ {
		if len(held[id]) != 1 || held[id][0] != fmt.Sprintf("queued/task-%d", id) {
			t.Fatalf("job %d: %q is left", id, held[id])
		}
	}
}

// fetchedOnce is a worker that fetches the oldest message while the nth look at the reserved
// ones is made, and gives it back, to the byte, when that is done: kombu does so with one
// that was given back before.
type fetchedOnce struct {
	redis *redis.Client
	nth   int
}

func (f *fetchedOnce) DialHook(next redis.DialHook) redis.DialHook { return next }

func (f *fetchedOnce) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (f *fetchedOnce) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() != "hscan" {
			return next(ctx, cmd)
		}
		if f.nth--; f.nth != 0 {
			return next(ctx, cmd)
		}
		m := f.redis.RPop(ctx, "celery").Val()
		kept := fmt.Sprintf(`[%s, "", "celery"]`, m)
		err := errors.Join(f.redis.HSet(ctx, "unacked", "tag", kept).Err(), next(ctx, cmd))
		return errors.Join(err, f.redis.HDel(ctx, "unacked", "tag").Err(), f.redis.RPush(ctx, "celery", m).Err())
	}
}

// A message that is met on the list and with a worker, and given back, may be the last.
func TestAMessageThatIsGivenBackStays(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.worker()
	id := int64(h.fixture.JobIDs[0])
	h.raw("first", jobKwargs(id))
	h.raw("second", jobKwargs(id))
	o, err := redis.ParseURL(h.redis.URL)
	h.must(err)
	client := redis.NewClient(o)
	t.Cleanup(func() { client.Close() })
	client.AddHook(&fetchedOnce{h.redis.Client, 3}) // two looks find the job, the third pass is for what to take
	h.broker, err = celery.NewRedis(client, celery.Options{})
	h.must(err)
	if n, err := h.fix("LGQ007"); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if held := h.held()[id]; strings.Join(held, " ") != "queued/first" {
		t.Errorf("%q is left", held)
	}
}

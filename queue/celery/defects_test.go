package celery_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

// part is a message's headers, its properties, or the whole of it.
type part = map[string]any

func headers(m part) part    { return m["headers"].(part) }
func properties(m part) part { return m["properties"].(part) }

func zipped(text string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

func bodyOf(m part) string {
	b, _ := base64.StdEncoding.DecodeString(m["body"].(string))
	return string(b)
}

// What a worker does with a message that was changed.
const (
	runs  = "runs"
	drops = "drops"
	dies  = "dies"
)

var changes = []struct {
	name   string
	change func(m part)
	then   string
}{
	{"nothing", func(part) {}, runs},
	{"another content-encoding", func(m part) { m["content-encoding"] = "klingon" }, runs},
	{"no content-encoding", func(m part) { delete(m, "content-encoding") }, runs},
	{"zlib", func(m part) { m["body"], headers(m)["compression"] = zipped(bodyOf(m)), "application/x-gzip" }, runs},
	{"zlib by its short name", func(m part) { m["body"], headers(m)["compression"] = zipped(bodyOf(m)), "zlib" }, runs},
	{"an eta that has passed", func(m part) { headers(m)["eta"] = "2026-01-05T10:20:41.870963+00:00" }, runs},
	{"an eta without a zone", func(m part) { headers(m)["eta"] = "2026-01-05T10:20:41" }, runs},
	{"an eta that is no date", func(m part) { headers(m)["eta"] = "tomorrow" }, drops},
	{"an eta that is a number", func(m part) { headers(m)["eta"] = 1795429241 }, drops},
	{"pickle", func(m part) { m["content-type"] = "application/x-python-serialize" }, drops},
	{"JSON with a charset", func(m part) { m["content-type"] = "application/json; charset=utf-8" }, drops},
	{"zlib that is none", func(m part) { headers(m)["compression"] = "zlib" }, drops},
	{"compressed by nobody knows what", func(m part) { headers(m)["compression"] = "middle-out" }, drops},
	{"an unknown task", func(m part) { headers(m)["task"] = "nobody_knows_it" }, "unknown"},
	{"a body that is not JSON", func(m part) { m["body"] = base64.StdEncoding.EncodeToString([]byte("not JSON")) }, drops},
	{"raw bytes", func(m part) { m["content-type"] = "application/data" }, dies},
	{"no content-type", func(m part) { delete(m, "content-type") }, dies},
	{"a body that is not base64", func(m part) { m["body"] = "%%%" }, dies},
	{"two parts", func(m part) { m["body"] = base64.StdEncoding.EncodeToString([]byte("[[], {}]")) }, dies},
	{"no id", func(m part) { delete(headers(m), "id") }, dies},
	{"no delivery_tag", func(m part) { delete(properties(m), "delivery_tag") }, dies},
}

// What is said of a message is what a real worker does with it.
func TestDefectsAreWhatAWorkerMakesOfThem(t *testing.T) {
	t.Parallel()
	t.Run("survived", func(t *testing.T) {
		t.Parallel()
		h := newDefects(t)
		want := 0
		for i, c := range changes {
			if c.then != dies {
				h.push(i)
			}
			if c.then == runs {
				want++
			}
		}
		h.push(0) // the last one to be run
		h.sameInOneWalk()
		h.worker()
		testenv.Eventually(t, time.Minute, func() error { return h.db.Expect("SELECT count(*) = $1 FROM worker_log.executions", want+1) })
		for i, c := range changes {
			if err := h.db.Expect("SELECT EXISTS (SELECT FROM worker_log.executions WHERE task_id = $2) = ($1 = 'runs')", c.then, fmt.Sprint("task-", i)); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	})
	for i, c := range changes {
		if c.then == dies {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				h := newDefects(t)
				h.push(i)
				pid := h.worker()
				testenv.Eventually(t, time.Minute, func() error {
					if syscall.Kill(pid, 0) == nil {
						return errors.New("the worker lives")
					}
					return nil
				})
			})
		}
	}
}

// defects is a queue with changed messages.
type defects struct {
	t      *testing.T
	db     *testenv.Database
	redis  *testenv.RedisDB
	broker *celery.Redis
	job    int64
}

func newDefects(t *testing.T) *defects {
	t.Helper()
	h := &defects{t: t, db: testenv.NewDatabase(t), redis: testenv.NewRedis(t)}
	h.job = h.db.NewCampaign(t, "RUNNING", testenv.Job{}).JobIDs[0]
	var err error
	h.broker, err = celery.NewRedis(h.redis.Client, celery.Options{})
	h.must(err)
	return h
}

func (h *defects) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// push queues a message with one of the changes, and compares what is said of it.
func (h *defects) push(i int) {
	h.t.Helper()
	ctx, c := context.Background(), changes[i]
	_, err := h.broker.Publish(ctx, fmt.Sprint(time.Now().UnixNano()), []queue.Task{{ID: fmt.Sprint("task-", i), Name: "process_job_task",
		Kwargs: []queue.Kwarg{{Name: "job_id", Value: h.job}, {Name: "job_type", Value: "FETCH_LEADS"}, {Name: "campaign_id", Value: "c"}}}})
	h.must(err)
	var m part
	h.must(json.Unmarshal([]byte(h.redis.Client.LPop(ctx, "celery").Val()), &m))
	c.change(m)
	raw, err := json.Marshal(m)
	h.must(err)
	h.must(h.redis.Client.LPush(ctx, "celery", raw).Err())
	first := true
	h.must(h.broker.EachMessage(ctx, func(found []celery.Found) error {
		if f := found[0]; first {
			if says := map[bool]string{true: dies, false: drops}[f.Poison]; f.Defect == "" && (c.then == drops || c.then == dies) || f.Defect != "" && says != c.then {
				h.t.Errorf("%s: %q, poison %v; the worker %s", c.name, f.Defect, f.Poison, c.then)
			}
			if c.then == runs && f.JobID != h.job {
				h.t.Errorf("%s: job %d is not seen", c.name, f.JobID)
			}
		}
		first = false
		return nil
	}))
}

// sameInOneWalk: a message that looks like an earlier one is read by that one's layout.
func (h *defects) sameInOneWalk() {
	h.t.Helper()
	defect := map[string]string{}
	h.must(h.broker.EachMessage(context.Background(), func(found []celery.Found) error {
		for _, f := range found {
			defect[f.TaskID] = f.Defect
		}
		return nil
	}))
	for i, c := range changes {
		if c.then != dies && (defect[fmt.Sprint("task-", i)] != "") != (c.then == drops) {
			h.t.Errorf("%s, in one walk: %q", c.name, defect[fmt.Sprint("task-", i)])
		}
	}
}

func (h *defects) worker() (pid int) {
	h.t.Helper()
	return testenv.StartCeleryWorker(h.t, h.redis.URL, h.db.URL, servers.CeleryOptions{}).Pid()
}

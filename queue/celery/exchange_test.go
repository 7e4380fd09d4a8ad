package celery_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

// Old messages are exchanged wherever they lie on the list, while workers take from its
// tail and put some back there. What is gone is nobody's to replace.
func TestMessagesAreExchangedWhereverTheyLie(t *testing.T) {
	t.Parallel()
	const jobs, taken, requeued, restored = 6000, 700, 10, 50
	for name, arrange := range map[string]func([]string){
		"in the order of the jobs": func([]string) {},
		"in reverse":               func(raws []string) { slices.Reverse(raws) },
		"shuffled":                 func(raws []string) { rand.Shuffle(len(raws), func(i, k int) { raws[i], raws[k] = raws[k], raws[i] }) },
		"a few far from the others": func(raws []string) {
			for i := range 100 {
				k := len(raws) - 1 - 37*i
				raws[i], raws[k] = raws[k], raws[i]
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, queue.Settings{})
			p.pending(t, jobs)
			p.open(t)
			p.close(t)
			raws := p.client.LRange(t.Context(), "celery", 0, -1).Val()
			arrange(raws)
			if err := p.client.Del(t.Context(), "celery").Err(); err != nil {
				t.Fatal(err)
			}
			for chunk := range slices.Chunk(raws, 1000) {
				if err := p.client.RPush(t.Context(), "celery", anys(chunk)...).Err(); err != nil {
					t.Fatal(err)
				}
			}
			p.open(t)
			move := once("queue.dispatch.surveyed", func() {
				if err := p.client.RPopCount(t.Context(), "celery", taken).Err(); err != nil {
					t.Error(err)
				}
				for range requeued { // as kombu rejects: marked, and to the head
					raw := strings.Replace(p.client.RPop(t.Context(), "celery").Val(), `"delivery_info": {`, `"delivery_info": {"redelivered": true, `, 1)
					if err := p.client.LPush(t.Context(), "celery", raw).Err(); err != nil || !strings.Contains(raw, "redelivered") {
						t.Errorf("%s: %v", raw, err)
					}
				}
				for i := range restored {
					if err := p.client.RPush(t.Context(), "celery", fmt.Sprintf(`{"body": "", "headers": {"id": "other-%d", "task": "other"}}`, i)).Err(); err != nil {
						t.Error(err)
					}
				}
			})
			r, err := p.with(t, queue.Settings{Broker: p.broker, Step: move}).Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{})
			// What went back to the head may have been with a worker for all that is known.
			kept := r.JobsStillRunning - taken
			if err != nil || kept < 0 || kept > requeued || r.TasksReused+kept != jobs-taken || r.TasksCreated != 0 || p.depth(t) != jobs-taken+restored {
				t.Errorf("%+v, %v; %d messages", r, err, p.depth(t))
			}
			if err := p.db.Expect("SELECT count(*) = $1 FROM jobs WHERE status = 'PENDING'", jobs-taken-kept); err != nil {
				t.Error(err)
			}
			left := map[string]int{}
			for _, raw := range p.client.LRange(t.Context(), "celery", 0, -1).Val() {
				left[raw]++
			}
			for _, raw := range raws {
				if left[raw] > 0 {
					t.Fatalf("still there: %s", raw)
				}
			}
		})
	}
}

// meddler does something before a script runs.
type meddler func()

func (meddler) DialHook(next redis.DialHook) redis.DialHook { return next }

func (m meddler) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "evalsha" {
			m()
		}
		return next(ctx, cmd)
	}
}

func (meddler) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// Workers take messages between the moment when an exchange has found them and its script.
func TestAnExchangeWhoseMessagesMoveIsWhole(t *testing.T) {
	t.Parallel()
	const tasks, taken = 900, 650
	p := newPlatform(t, queue.Settings{})
	task := func(kind string, i int) queue.Task {
		t := queue.Task{ID: fmt.Sprintf("%s-%d", kind, i), Name: "process_job_task", Kwargs: []queue.Kwarg{{Name: "job_id", Value: i}}}
		if i == 1 {
			t.Priority = 3
		}
		return t
	}
	var olds, news []queue.Task
	for i := range taken + tasks {
		olds = append(olds, task("old", i))
		if i >= taken || i <= 1 { // of what the worker takes: one of each list
			n := task("new", i)
			n.Replaces = []queue.Message{{TaskID: olds[i].ID}}
			news = append(news, n)
		}
	}
	if _, err := p.broker.Publish(t.Context(), "olds", olds); err != nil {
		t.Fatal(err)
	}
	const second = "celery\x06\x163"
	client := redis.NewClient(p.client.Options())
	defer client.Close()
	client.AddHook(meddler(func() {
		if p.client.LLen(t.Context(), second).Val() == 1 {
			p.client.RPop(t.Context(), second)
			p.client.RPopCount(t.Context(), "celery", taken-1)
		}
	}))
	broker, err := celery.NewRedis(client, celery.Options{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := broker.Publish(t.Context(), "news", news)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range out {
		if want := map[bool]queue.Outcome{true: queue.Missed, false: queue.Replaced}[i <= 1]; d.Outcome != want {
			t.Fatalf("%s: %v, want %v", news[i].ID, d.Outcome, want)
		}
	}
	raws := p.client.LRange(t.Context(), "celery", 0, -1).Val()
	if len(raws) != tasks || slices.ContainsFunc(raws, func(raw string) bool { return !strings.Contains(raw, `"id": "new-`) }) {
		t.Errorf("%d messages: %.300q", len(raws), raws)
	}
}

func anys(texts []string) []any {
	out := make([]any, len(texts))
	for i, s := range texts {
		out[i] = s
	}
	return out
}

package celery_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/queue"
)

// Old messages are exchanged wherever they lie on the list, while workers take from its
// tail and put some back there. What is gone is nobody's to replace.
func TestMessagesAreExchangedWhereverTheyLie(t *testing.T) {
	t.Parallel()
	const jobs, taken, restored = 6000, 700, 50
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
				for i := range restored {
					if err := p.client.RPush(t.Context(), "celery", fmt.Sprintf(`{"body": "", "headers": {"id": "other-%d", "task": "other"}}`, i)).Err(); err != nil {
						t.Error(err)
					}
				}
			})
			r, err := p.with(t, queue.Settings{Broker: p.broker, Step: move}).Close(t.Context(), breaker.CloseOptions{}, queue.ResumeOptions{})
			if err != nil || r.TasksReused != jobs-taken || r.TasksCreated != 0 || r.JobsStillRunning != taken || p.depth(t) != jobs-taken+restored {
				t.Errorf("%+v, %v; %d messages", r, err, p.depth(t))
			}
			if err := p.db.Expect("SELECT count(*) = $1 FROM jobs WHERE status = 'PENDING'", jobs-taken); err != nil {
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

func anys(texts []string) []any {
	out := make([]any, len(texts))
	for i, s := range texts {
		out[i] = s
	}
	return out
}

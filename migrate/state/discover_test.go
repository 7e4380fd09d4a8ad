package state_test

import (
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/state"
)

// fill makes n keys such as the platform has beside the old ones, in the server.
func fill(t testing.TB, client redis.UniversalClient, n int) {
	t.Helper()
	const script = `
		for i = ARGV[1], ARGV[2] do
			local kind = i % 4
			if kind == 0 then redis.call('SET', 'celery-task-meta-' .. redis.sha1hex(i), '{"status": "SUCCESS"}')
			elseif kind == 1 then redis.call('SET', 'ratelimit:circuit:' .. i, i)
			elseif kind == 2 then redis.call('SET', '_kombu.binding.' .. i, i)
			else redis.call('SET', 'session:' .. redis.sha1hex(i), i) end
		end
		return 'OK'`
	for from := 0; from < n; from += 10000 {
		if err := client.Eval(ctx, script, nil, from, min(n, from+10000)-1).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDiscoveryFindsAndBoundsWhatItLists(t *testing.T) {
	t.Parallel()
	client := testenv.NewRedis(t).Client
	fill(t, client, 30000)
	const alike = 1500
	_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range alike {
			p.Set(ctx, fmt.Sprintf("circuit_breaker:apollo:%d", i), i, 0)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var walked []int64
	all := client.DBSize(ctx).Val() + 2
	r := newRig(t, client, func(s *state.Settings) {
		s.Progress = func(done, total int64) {
			if total != all {
				t.Errorf("there are %d keys, the progress is of %d", all, total)
			}
			walked = append(walked, done)
		}
	})
	r.Open("apollo", base(), "down", "http_5xx", 1)
	r.Closed("hunter")
	p := r.plan()
	if p.Left != alike+1 {
		t.Errorf("%d keys are left, want %d", p.Left, alike+1)
	}
	if n := len(p.Keys); n < 1000 || n > 1003 {
		t.Errorf("%d keys are listed, want at most 1000 and those that count", n)
	}
	for i, n := range walked {
		if n < 0 || n > all || i > 0 && n < walked[i-1] {
			t.Fatalf("the progress goes %v", walked)
		}
	}
	if len(walked) < 3 || walked[len(walked)-1] != all {
		t.Errorf("the progress goes %v", walked)
	}

	r.m = r.migrator(func(s *state.Settings) { s.Discover = false })
	if p := r.plan(); len(p.Keys) != 1 || p.Left != 0 {
		t.Errorf("without discovery: %+v", p.Keys)
	}
}

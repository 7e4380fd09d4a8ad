package consistency_test

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// A server that is cut off or hangs in the middle of a run: its checks are errors, those
// of the others are told, and the run ends.
func TestAServerDiesInTheMiddleOfARun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		postgres bool
		hang     bool
	}{"PostgreSQL is cut off": {true, false}, "PostgreSQL hangs": {true, true}, "Redis is cut off": {false, false}, "Redis hangs": {false, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			direct := newHouse(t)
			at := func(address string) string {
				u, err := url.Parse(address)
				direct.must(err)
				return u.Host
			}
			address := direct.redis.URL
			if c.postgres {
				address = direct.db.URL
			}
			proxy := testenv.StartProxy(t, at(address))
			db, redisURL := *direct.db, direct.redis.URL
			if c.postgres {
				db.URL = strings.Replace(db.URL, at(address), proxy.Addr(), 1)
			} else {
				redisURL = strings.Replace(redisURL, at(address), proxy.Addr(), 1)
			}
			h := newHouseWith(t, &db, redisURL)
			var once sync.Once
			r := h.run(func(o *consistency.Options) {
				o.Timeout, o.StatementTimeout = 2*time.Second, time.Second
				o.Progress = func(int, int) {
					once.Do(func() {
						if c.hang {
							h.must(proxy.Hang())
						} else {
							proxy.Cut()
						}
					})
				}
			})
			families := map[consistency.Family]int{}
			for _, res := range r.Checks {
				if res.Status == consistency.Errored {
					families[res.Family]++
					if res.Message == "" {
						t.Errorf("%s does not say why it could not run", res.ID)
					}
				}
				// What needs the other server alone was checked.
				other := map[bool]string{true: "LGB004", false: "LGC001"}[c.postgres]
				if res.ID == other && res.Status != consistency.Pass {
					t.Errorf("%s: %s %s", res.ID, res.Status, res.Message)
				}
			}
			if len(families) == 0 || r.Summary.Pass == 0 {
				t.Errorf("%+v, errors by family %v", r.Summary, families)
			}
		})
	}
}

// A server that is frozen takes connections and never answers, from the first statement on.
func TestAServerHangsBeforeTheFirstStatement(t *testing.T) {
	t.Parallel()
	direct := newHouse(t)
	u, err := url.Parse(direct.db.URL)
	direct.must(err)
	proxy := testenv.StartProxy(t, u.Host)
	db := *direct.db
	db.URL = strings.Replace(db.URL, u.Host, proxy.Addr(), 1)
	h := newHouseWith(t, &db, direct.redis.URL)
	h.must(h.pool.Ping(t.Context()))
	h.must(proxy.Hang())
	o := h.options()
	o.Timeout, o.StatementTimeout = time.Second, time.Second
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := consistency.Run(ctx, o)
	h.must(err)
	if ctx.Err() != nil {
		t.Error("the run did not end by itself")
	}
	if c, other := find(r, "LGC001"), find(r, "LGB001"); c.Status != consistency.Errored || other.Status != consistency.Pass {
		t.Errorf("%+v\n%+v", c, other)
	}
}

// No statement of a check takes a lock that could make a writer wait.
func TestChecksTakeNoLockThatBlocks(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	seen := 0
	h.run(func(o *consistency.Options) {
		var mu sync.Mutex
		o.Progress = func(int, int) {
			mu.Lock()
			defer mu.Unlock()
			seen++
			if err := h.db.Expect(`SELECT coalesce(bool_and(mode = 'AccessShareLock'), true) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
				WHERE a.datname = current_database() AND l.locktype IN ('relation', 'tuple') AND pid <> pg_backend_pid()`); err != nil {
				t.Error(err)
			}
		}
	})
	if seen == 0 {
		t.Error("nothing was looked at")
	}
}

package consistency_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue"
)

// afterTheFirstLook runs do between the first look and the second.
func afterTheFirstLook(do func()) func(*consistency.Options) {
	return func(o *consistency.Options) {
		o.Progress = func(done, total int) {
			if done == total {
				do()
			}
		}
	}
}

func only(ids ...string) func(*consistency.Options) {
	return func(o *consistency.Options) { o.Only = ids }
}

// A transition that takes longer than two looks are apart is at work, and no finding.
func TestATransitionAtWorkIsNoFinding(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	begun, finish, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	m, err := queue.New(h.db.Pool, h.breaker, queue.Settings{Broker: h.broker, Step: func(name string) {
		if name == "queue.open.applied" {
			close(begun)
			<-finish
		}
	}})
	h.must(err)
	go func() {
		_, err := m.Open(context.Background(), breaker.OpenOptions{Reason: "slow"})
		done <- err
	}()
	<-begun
	r := h.run(afterTheFirstLook(func() { time.AfterFunc(20*h.options().Settle, func() { close(finish) }) }))
	h.must(<-done)
	for _, c := range r.Checks {
		if c.Status == consistency.Fail {
			t.Errorf("%s: %d %q", c.ID, c.Count, c.Samples)
		}
	}
}

// Jobs that a paced resume will come to are not forgotten; those of one that died are.
func TestAPacedResumeAtWorkIsNoFinding(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.db.NewCampaign(t, "RUNNING", testenv.Job{Status: "PAUSED"})
	tx, err := h.db.Pool.Begin(t.Context())
	h.must(err)
	_, err = tx.Exec(t.Context(), "SELECT pg_advisory_xact_lock($1)", int64(0x6c65616467656e72))
	h.must(err)
	h.exec("UPDATE leadgenctl.breaker_transitions SET applied_at = NULL WHERE epoch = (SELECT max(epoch) FROM leadgenctl.breaker_transitions)")
	for _, id := range []string{"LGQ002", "LGB008"} {
		if found := find(h.run(only(id)), id); found.Status != consistency.Pass {
			t.Errorf("while it is at work: %+v", found)
		}
	}
	h.must(tx.Rollback(t.Context()))
	for _, id := range []string{"LGQ002", "LGB008"} {
		if found := find(h.run(only(id)), id); found.Count != 1 {
			t.Errorf("afterwards: %+v", found)
		}
	}
}

// What two looks agree on is told, however much there is, and the samples are of that.
func TestSamplesAreOfWhatTwoLooksAgreeOn(t *testing.T) {
	t.Parallel()
	paused := `INSERT INTO jobs (id, task_id, name, status, campaign_id) SELECT i, gen_random_uuid(), 'n', 'PAUSED', $1 FROM generate_series($2::int, $3::int) AS i`
	h := newHouse(t)
	h.exec(paused, h.fixture.CampaignID, 400000, 400000)
	found := find(h.run(only("LGQ002"), afterTheFirstLook(func() { h.exec(paused, h.fixture.CampaignID, 300001, 300007) })), "LGQ002")
	if found.Count != 1 || len(found.Samples) != 1 || !containsAll(found.Samples, "job 400000 ") {
		t.Errorf("%d: %q", found.Count, found.Samples)
	}
	many := newHouse(t)
	many.exec(paused, many.fixture.CampaignID, 1001, 12000)
	found = find(many.run(only("LGQ002"), afterTheFirstLook(func() {
		many.exec("UPDATE jobs SET status = 'PENDING' WHERE status = 'PAUSED'")
		many.exec(paused, many.fixture.CampaignID, 400000, 400000)
	})), "LGQ002")
	if found.Count != 1 || !containsAll(found.Samples, "job 400000 ") { // the third look confirms it
		t.Errorf("%d: %q", found.Count, found.Samples)
	}
}

// What lies in the broker can be looked at without PostgreSQL.
func TestTheBrokerAloneIsLookedAt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.must(h.redis.Client.LPush(t.Context(), "celery", "rubbish").Err())
	h.raw("one", jobKwargs(1))
	h.raw("two", jobKwargs(1))
	r := h.run(func(o *consistency.Options) { o.Pool, o.PostgresErr = nil, errors.New("PostgreSQL is away") })
	for id, want := range map[string]consistency.Status{"LGQ007": consistency.Fail, "LGQ011": consistency.Pass, "LGQ017": consistency.Fail, "LGQ018": consistency.Pass,
		"LGQ006": consistency.Errored, "LGQ008": consistency.Errored, "LGQ009": consistency.Errored, "LGQ010": consistency.Errored} {
		if found := find(r, id); found.Status != want {
			t.Errorf("%s: %s, want %s: %s", id, found.Status, want, found.Message)
		}
	}
}

// A breaker that opens while lost tasks are made anew pauses those jobs like all others.
func TestABreakerThatOpensDuringAFixLeavesNoJobActive(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.worker()
	h.db.NewCampaign(t, "RUNNING", testenv.Job{Status: "PENDING"})
	h.exec("UPDATE jobs SET task_id = NULL, updated_at = now() - interval '1 day' WHERE status = 'PENDING'")
	var err error
	h.manager, err = queue.New(h.db.Pool, h.breaker, queue.Settings{Broker: h.broker, Step: func(name string) {
		if name == "queue.resume_jobs.closed" {
			m, err := queue.New(h.db.Pool, h.breaker, queue.Settings{Broker: h.broker})
			h.must(err)
			_, err = m.Open(context.Background(), breaker.OpenOptions{Reason: "meanwhile"})
			h.must(err)
		}
	}})
	h.must(err)
	if n, err := h.fix("LGQ005"); n == 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	h.must(h.db.Expect("SELECT count(*) = 0 FROM jobs WHERE status IN ('PENDING', 'PROCESSING')"))
}

package enumdrop_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leadgenctl/leadgenctl/campaign/enumdrop"
	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// halted starts an online drop and waits until it has looked at the load several times;
// it has changed no row by then. Then ease is called, and the drop must end well.
func halted(t *testing.T, db *testenv.Database, s enumdrop.Settings, ease func()) {
	t.Helper()
	var batches atomic.Int64
	s.Step = func(name string) {
		if name == "before:batch" {
			batches.Add(1)
		}
	}
	done := make(chan error, 1)
	go func() { done <- newDropper(t, db, s).Drop(context.WithoutCancel(t.Context()), enumdrop.Online) }()
	looks := map[time.Time]bool{}
	testenv.Eventually(t, time.Minute, func() error {
		var at *time.Time
		err := db.Pool.QueryRow(t.Context(), `SELECT max(query_start) FROM pg_stat_activity
			WHERE query LIKE '%FROM pg_stat_replication%' AND pid <> pg_backend_pid()`).Scan(&at)
		if at != nil {
			looks[*at] = true
		}
		if err == nil && len(looks) < 4 {
			err = context.DeadlineExceeded
		}
		return err
	})
	if n := batches.Load(); n > 0 {
		t.Errorf("%d batches while it should wait", n)
	}
	ease()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if batches.Load() == 0 {
		t.Error("no batch at all")
	}
}

func newPrivateDatabase(t *testing.T) (*servers.Postgres, *testenv.Database) {
	t.Helper()
	p := testenv.StartPostgres(t, servers.PostgresOptions{})
	testenv.LoadPlatform(t, p.URL("postgres"))
	db := &testenv.Database{URL: p.URL("postgres"), Pool: testenv.NewPool(t, p.URL("postgres"))}
	fill(t, db, 500)
	return p, db
}

func TestTheBackfillWaitsWhileTheServerIsBusy(t *testing.T) {
	t.Parallel()
	_, db := newPrivateDatabase(t)
	ctx, ease := context.WithCancel(t.Context())
	busy := testenv.NewPool(t, db.URL)
	for range 3 {
		go func() { _, _ = busy.Exec(ctx, "SELECT pg_sleep(600)") }()
	}
	testenv.Eventually(t, time.Minute, func() error {
		return db.Expect("SELECT count(*) = 3 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(600)' AND pid <> pg_backend_pid()")
	})
	halted(t, db, enumdrop.Settings{MaxLoad: 2}, ease)
}

func TestTheBackfillWaitsForAReplicaThatIsBehind(t *testing.T) {
	t.Parallel()
	p, db := newPrivateDatabase(t)
	standby := testenv.NewPool(t, testenv.StartStandby(t, p).URL("postgres"))
	testenv.Eventually(t, time.Minute, func() error {
		run(t, db, "UPDATE organizations SET name = name")
		return db.Expect("SELECT EXISTS (SELECT FROM pg_stat_replication WHERE replay_lag IS NOT NULL)")
	})
	if _, err := standby.Exec(t.Context(), "SELECT pg_wal_replay_pause()"); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, time.Minute, func() error {
		run(t, db, "UPDATE organizations SET name = name")
		return db.Expect("SELECT EXISTS (SELECT FROM pg_stat_replication WHERE replay_lag > interval '1 s')")
	})
	halted(t, db, enumdrop.Settings{MaxLag: time.Second}, func() {
		if _, err := standby.Exec(t.Context(), "SELECT pg_wal_replay_resume()"); err != nil {
			t.Error(err)
		}
	})
}

func TestALimitThatCannotBeWatchedRefuses(t *testing.T) {
	t.Parallel()
	p, db := newPrivateDatabase(t)
	run(t, db, `CREATE ROLE app LOGIN; ALTER TABLE campaigns OWNER TO app; ALTER TYPE campaignstatus OWNER TO app;
		GRANT ALL ON SCHEMA public, leadgenctl TO app; GRANT CREATE ON DATABASE postgres TO app`)
	app := &testenv.Database{URL: strings.Replace(db.URL, "postgres://postgres", "postgres://app", 1)}
	app.Pool = testenv.NewPool(t, app.URL)
	drop := func(s enumdrop.Settings) error { return newDropper(t, app, s).Drop(t.Context(), enumdrop.Online) }
	before := dump(t, db)
	refused := func(s enumdrop.Settings, flag string) {
		t.Helper()
		var e *enumdrop.RefusedError
		if err := drop(s); !errors.As(err, &e) || !strings.Contains(e.Hint, flag) {
			t.Errorf("%s: %v", flag, err)
		}
		if diff := cmp.Diff(before, dump(t, db)); diff != "" {
			t.Errorf("a refusal changed the schema:\n%s", diff)
		}
	}
	refused(enumdrop.Settings{MaxLoad: 5}, "--max-load")
	testenv.StartStandby(t, p)
	testenv.Eventually(t, time.Minute, func() error { return db.Expect("SELECT EXISTS (SELECT FROM pg_stat_replication)") })
	refused(enumdrop.Settings{}, "--max-lag")
	if err := drop(enumdrop.Settings{MaxLag: -1}); err != nil {
		t.Error(err)
	}
}

package queue_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue"
)

// The trigger is judged by what it is, whatever the search_path of who looks.
func TestTheGuardIsAsTheMigrationMakesIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t, queue.Settings{})
	for _, path := range []string{"leadgenctl, public", "public, leadgenctl, pg_catalog"} {
		c := h.db.Pool.Config()
		c.ConnConfig.RuntimeParams["search_path"] = path
		pool, err := pgxpool.NewWithConfig(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		m, err := queue.New(pool, h.breaker, queue.Settings{})
		if err != nil {
			t.Fatal(err)
		}
		if g, err := m.Guard(t.Context()); err != nil || !g.Current || g.Mode != queue.GuardObserve {
			t.Errorf("search_path %s: %+v, %v", path, g, err)
		}
	}
	h.exec(t, "DROP TRIGGER leadgenctl_job_guard ON jobs")
	h.exec(t, `CREATE TRIGGER leadgenctl_job_guard AFTER UPDATE OF status ON jobs FOR EACH ROW
		WHEN (OLD.status <> NEW.status AND NEW.status = 'PAUSED') EXECUTE FUNCTION leadgenctl.guard_job()`)
	if g, err := h.manager.Guard(t.Context()); err != nil || g.Current || g.Mode != queue.GuardObserve {
		t.Errorf("another condition: %+v, %v", g, err)
	}
	h.exec(t, "ALTER TABLE jobs ENABLE REPLICA TRIGGER leadgenctl_job_guard")
	if g, err := h.manager.Guard(t.Context()); err != nil || g.Mode != queue.GuardMissing {
		t.Errorf("of replication only: %+v, %v", g, err)
	}
}

// Every pair of statuses, against the table itself.
func TestGuardTestsEveryTransition(t *testing.T) {
	t.Parallel()
	h := newHouse(t, queue.Settings{})
	for _, from := range queue.Statuses {
		for _, to := range queue.Statuses {
			f := h.db.NewCampaign(t, "RUNNING", testenv.Job{Status: string(from)})
			h.exec(t, "SELECT set_config('application_name', 'worker-1', false)")
			h.exec(t, "UPDATE jobs SET status = $2::text::jobstatus WHERE id = $1", f.JobIDs[0], string(to))
			want := 1
			if from.CanBecome(to) {
				want = 0
			}
			if err := h.db.Expect(`SELECT count(*) = $1 FROM leadgenctl.job_violations
				WHERE job_id = $2 AND old_status = $3 AND new_status = $4 AND user_name = session_user`,
				want, f.JobIDs[0], string(from), string(to)); err != nil {
				t.Errorf("%s to %s: %v", from, to, err)
			}
		}
	}
}

func TestGuardModes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, queue.Settings{})
	f := h.db.NewCampaign(t, "RUNNING", testenv.Job{Status: "COMPLETED"})
	illegal := func() error {
		_, err := h.db.Pool.Exec(t.Context(), "UPDATE jobs SET status = 'PROCESSING' WHERE id = $1", f.JobIDs[0])
		return err
	}
	if changed, err := h.manager.SetGuard(t.Context(), queue.GuardEnforce); err != nil || !changed {
		t.Fatalf("%v, %v", changed, err)
	}
	var pg *pgconn.PgError
	if err := illegal(); !errors.As(err, &pg) || pg.Code != "23514" || !strings.Contains(pg.Message, "COMPLETED to PROCESSING") {
		t.Fatalf("enforce: %v", err)
	}
	if changed, err := h.manager.SetGuard(t.Context(), queue.GuardObserve); err != nil || !changed {
		t.Fatalf("%v, %v", changed, err)
	}
	if err := illegal(); err != nil {
		t.Fatalf("observe: %v", err)
	}
	g, err := h.manager.Guard(t.Context())
	if err != nil || g.Mode != queue.GuardObserve || !g.Current || g.Violations != 1 || len(g.Recent) != 1 || g.Recent[0].Old != queue.Completed {
		t.Fatalf("%+v, %v", g, err)
	}
	if changed, err := h.manager.SetGuard(t.Context(), queue.GuardObserve); err != nil || changed {
		t.Fatalf("%v, %v", changed, err)
	}
	h.exec(t, "DROP TRIGGER leadgenctl_job_guard ON jobs")
	if g, err := h.manager.Guard(t.Context()); err != nil || g.Mode != queue.GuardMissing {
		t.Fatalf("%+v, %v", g, err)
	}
}

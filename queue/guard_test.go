package queue_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/queue"
)

// The migration holds the rendered table twice: what the trigger tests, and the text.
func TestGuardMigrationIsRenderedFromTheTable(t *testing.T) {
	t.Parallel()
	sql, err := os.ReadFile(filepath.Join(testenv.Root(), "migrate/schema/sql/0005_job_guard.up.sql"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(sql), queue.GuardCondition()); n != 2 {
		t.Fatalf("the migration holds the condition %d times; want 2 of\n%s", n, queue.GuardCondition())
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

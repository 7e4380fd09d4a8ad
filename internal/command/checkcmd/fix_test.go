package checkcmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

// migrated is a platform with everything installed, whose breaker is closed.
func migrated(t *testing.T) (shell, *testenv.Database) {
	t.Helper()
	db, redis := testenv.NewDatabase(t), testenv.StartRedis(t, "--appendonly", "yes")
	m, err := schema.New(db.Pool, schema.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Up(t.Context(), schema.Latest); err != nil {
		t.Fatal(err)
	}
	s := shell{db.URL, redis.URL(0), t.TempDir()}
	for _, verb := range []string{"open", "close"} {
		s.must(t, 0, "breaker", verb, "--reason", "r")
	}
	return s, db
}

// other runs another command than check-consistency.
func (s shell) other(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(testenv.Binary(t), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"HOME=" + s.dir, "PATH=" + os.Getenv("PATH"), "LEADGENCTL_WORKERS_RETURN=0s", "LEADGENCTL_DATABASE_URL=" + s.db, "LEADGENCTL_REDIS_URL=" + s.redis}
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

func (s shell) must(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	out, msg, code := s.other(t, args...)
	if code != want {
		t.Fatalf("%s: exit %d, want %d: %s%s", strings.Join(args, " "), code, want, out, msg)
	}
	return out, msg
}

func change(t *testing.T, db *testenv.Database, sql string, args ...any) {
	t.Helper()
	if _, err := db.Pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// images are the rows of jobs, to the microsecond.
func images(t *testing.T, db *testenv.Database) []string {
	t.Helper()
	rows, err := db.Pool.Query(t.Context(), "SELECT to_jsonb(j)::text FROM jobs AS j ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A fix that may not do its work stops no other; the report is written, and the exit code
// is that of work done in part.
func TestAFixThatFailsStopsNoOther(t *testing.T) {
	t.Parallel()
	s, db := migrated(t)
	f := db.NewCampaign(t, "RUNNING", testenv.Job{Status: "COMPLETED"}, testenv.Job{})
	change(t, db, "UPDATE jobs SET task_id = NULL, created_at = now() - interval '1 hour' WHERE id = $1", f.JobIDs[1])
	// The first of the two fixes, LGQ005, must change status, and is not allowed to.
	role := "mender_" + f.CampaignID[:8]
	change(t, db, "CREATE ROLE "+role+" LOGIN IN ROLE pg_read_all_data; GRANT UPDATE (completed_at) ON jobs TO "+role+
		"; GRANT USAGE ON SCHEMA leadgenctl TO "+role+"; GRANT INSERT ON leadgenctl.operations TO "+role)
	t.Cleanup(func() { _, _ = db.Pool.Exec(context.Background(), "DROP OWNED BY "+role+"; DROP ROLE "+role) })
	as := s
	as.db = strings.Replace(s.db, "postgres@", role+"@", 1)
	_, msg, code := as.run(t, "--only", "LGQ005,LGQ012", "--fix", "--yes", "-o", "json=report.json")
	if code != 5 || !strings.Contains(msg, "permission denied") || !strings.Contains(msg, "Least privilege") {
		t.Errorf("exit %d: %s", code, msg)
	}
	data, err := os.ReadFile(filepath.Join(s.dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range decode(t, string(data)).Checks {
		if want := map[string]string{"LGQ005": "fail", "LGQ012": "pass"}[c.ID]; c.Status != want {
			t.Errorf("%+v", c)
		}
	}
}

// A report that cannot be written is told before anything is changed.
func TestOutputsAreTriedBeforeTheFix(t *testing.T) {
	t.Parallel()
	s, db := migrated(t)
	db.NewCampaign(t, "RUNNING", testenv.Job{Status: "COMPLETED"})
	for _, args := range [][]string{{"-o", "json=no/such/folder/x"}, {"-o", "json=."}, {"--write-baseline", "no/such/folder/x"}} {
		if _, msg, code := s.run(t, append([]string{"--only", "LGQ012", "--fix", "--yes"}, args...)...); code != 2 || !strings.Contains(msg, "cannot be written") {
			t.Errorf("%v: exit %d: %s", args, code, msg)
		}
	}
	if err := db.Expect("SELECT completed_at IS NULL FROM jobs"); err != nil {
		t.Error(err)
	}
}

// The dry run names the rows and what becomes of them; the fix can be taken back exactly.
func TestAFixIsShownFirstAndCanBeTakenBack(t *testing.T) {
	t.Parallel()
	s, db := migrated(t)
	f := db.NewCampaign(t, "RUNNING", testenv.Job{Status: "COMPLETED"}, testenv.Job{Status: "FAILED"}, testenv.Job{Status: "COMPLETED"})
	change(t, db, "UPDATE jobs SET updated_at = '2026-01-05 10:20:41.870963+00'")
	before := images(t, db)
	_, msg, _ := s.run(t, "--only", "LGQ012", "--fix", "--dry-run", "--max-samples", "2")
	for _, want := range []string{": 3; would", "completed_at empty -> 2026-01-05", "and 1 more"} {
		if !strings.Contains(msg, want) {
			t.Errorf("the dry run does not say %q: %s", want, msg)
		}
	}
	if !slices.Equal(images(t, db), before) {
		t.Error("the dry run changed something")
	}
	if _, msg, code := s.run(t, "--only", "LGQ012", "--fix", "--yes"); code != 0 {
		t.Fatalf("exit %d: %s", code, msg)
	}
	after := images(t, db)
	var list struct{ Operations []struct{ ID string } }
	out, _ := s.must(t, 0, "snapshot", "list", "-o", "json")
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.Operations) != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	id := list.Operations[0].ID
	if out, _ := s.must(t, 0, "snapshot", "list"); !strings.Contains(out, id) || !strings.Contains(out, "fix LGQ012") {
		t.Error(out)
	}
	if out, _ := s.must(t, 0, "snapshot", "show", id); !strings.Contains(out, "completed_at") || !strings.Contains(out, "unchanged") {
		t.Error(out)
	}
	// Someone changes a row: nothing is taken back, unless the rest is asked for.
	change(t, db, "UPDATE jobs SET error = 'e' WHERE id = $1", f.JobIDs[1])
	if _, msg := s.must(t, 4, "snapshot", "restore", id, "--yes"); !strings.Contains(msg, "1 jobs were changed since") {
		t.Error(msg)
	}
	change(t, db, "UPDATE jobs SET error = NULL WHERE id = $1", f.JobIDs[1])
	if !slices.Equal(images(t, db), after) {
		t.Fatal("it was changed all the same")
	}
	s.must(t, 0, "snapshot", "restore", id, "--dry-run")
	s.must(t, 0, "snapshot", "restore", id, "--yes")
	if !slices.Equal(images(t, db), before) {
		t.Errorf("not as before:\n%q\n%q", images(t, db), before)
	}
	if out, _ := s.must(t, 0, "snapshot", "restore", id, "--yes"); !strings.Contains(out, "Nothing to do") {
		t.Error(out)
	}
	s.must(t, 2, "snapshot", "show", "fix-4711")
}

// The breaker's key comes back with the life that it had.
func TestAFixOfTheBreakersKeyCanBeTakenBack(t *testing.T) {
	t.Parallel()
	s, db := migrated(t)
	options, err := redis.ParseURL(s.redis)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	client.Expire(t.Context(), "circuit_breaker:global", 1000*time.Second)
	value := client.Get(t.Context(), "circuit_breaker:global").Val()
	if _, msg, code := s.run(t, "--only", "LGB003", "--fix", "--yes"); code != 0 {
		t.Fatalf("exit %d: %s", code, msg)
	}
	if err := db.Expect("SELECT count(*) = 1 FROM leadgenctl.operations WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	if left := client.TTL(t.Context(), "circuit_breaker:global").Val(); left > 0 {
		t.Errorf("it has %v to live", left)
	}
	s.must(t, 0, "snapshot", "restore", "fix-1", "--yes")
	if left := client.TTL(t.Context(), "circuit_breaker:global").Val(); left <= 0 || client.Get(t.Context(), "circuit_breaker:global").Val() != value {
		t.Errorf("it has %v to live", left)
	}
}

// A job that was failed as a zombie gets back what it had; where the guard refuses such a
// transition, it says so.
func TestAZombiesEndCanBeTakenBack(t *testing.T) {
	t.Parallel()
	s, db := migrated(t)
	db.NewCampaign(t, "RUNNING", testenv.Job{Status: "PROCESSING"})
	change(t, db, "UPDATE jobs SET created_at = now() - interval '1 hour'")
	before := images(t, db)
	if _, msg, code := s.run(t, "--only", "LGQ010", "--fix", "--zombies=fail", "--yes"); code != 0 {
		t.Fatalf("exit %d: %s", code, msg)
	}
	if err := db.Expect("SELECT status = 'FAILED' FROM jobs"); err != nil {
		t.Fatal(err)
	}
	s.must(t, 0, "queue", "guard", "enforce", "--yes")
	if _, msg := s.must(t, 4, "snapshot", "restore", "fix-1", "--yes"); !strings.Contains(msg, "queue guard observe") {
		t.Error(msg)
	}
	s.must(t, 0, "queue", "guard", "observe", "--yes")
	s.must(t, 0, "snapshot", "restore", "fix-1", "--yes")
	if !slices.Equal(images(t, db), before) {
		t.Errorf("not as before:\n%q\n%q", images(t, db), before)
	}
}

// Messages that were withdrawn are kept whole, and the way back is named.
func TestWithdrawnDoublesAreKept(t *testing.T) {
	t.Parallel()
	s, db := migrated(t)
	f := db.NewCampaign(t, "RUNNING", testenv.Job{TaskID: "kept"})
	options, err := redis.ParseURL(s.redis)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	broker, err := celery.NewRedis(client, celery.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"kept", "double"} {
		if _, err := broker.Publish(t.Context(), "test-"+id, []queue.Task{{ID: id, Name: "process_job_task", Kwargs: []queue.Kwarg{{Name: "job_id", Value: f.JobIDs[0]}}}}); err != nil {
			t.Fatal(err)
		}
	}
	raws := client.LRange(t.Context(), "celery", 0, -1).Val()
	if _, msg, code := s.run(t, "--only", "LGQ007", "--fix", "--yes"); code != 0 {
		t.Fatalf("exit %d: %s", code, msg)
	}
	if left := client.LRange(t.Context(), "celery", 0, -1).Val(); len(left) != 1 || !strings.Contains(left[0], `"kept"`) {
		t.Errorf("left: %q", left)
	}
	_, msg := s.must(t, 4, "snapshot", "restore", "fix-1", "--yes")
	_, batch, ok := strings.Cut(strings.TrimSpace(msg), "leadgenctl tasks restore ")
	if !ok {
		t.Fatal(msg)
	}
	s.must(t, 0, "tasks", "restore", batch, "--force", "--yes")
	if back := client.LRange(t.Context(), "celery", 0, -1).Val(); len(back) != 2 || !slices.Contains(back, raws[0]) || !slices.Contains(back, raws[1]) {
		t.Errorf("back: %q", back)
	}
}

// What is asked for is mended, and nothing that another check finds.
func TestAFixMendsItsOwnFindingOnly(t *testing.T) {
	t.Parallel()
	for only, fault := range map[string]string{
		"LGB003": "",
		"LGQ005": "INSERT INTO jobs (name, status, campaign_id, created_at) SELECT 'n', 'PENDING', $1, now() - interval '1 hour'",
		"LGQ006": "INSERT INTO jobs (task_id, name, status, campaign_id, created_at) SELECT 'gone', 'n', 'PENDING', $1, now() - interval '1 hour'",
	} {
		t.Run(only, func(t *testing.T) {
			t.Parallel()
			s, db := migrated(t)
			f := db.NewCampaign(t, "RUNNING", testenv.Job{Status: "PAUSED"})
			if fault != "" {
				change(t, db, fault, f.CampaignID)
			}
			o, err := redis.ParseURL(s.redis)
			if err != nil {
				t.Fatal(err)
			}
			client := redis.NewClient(o)
			defer client.Close()
			if err := client.Expire(t.Context(), "circuit_breaker:global", time.Hour).Err(); err != nil {
				t.Fatal(err)
			}
			if out, msg, code := s.run(t, "--only", only, "--fix", "--yes"); code != 0 {
				t.Errorf("exit %d: %s%s", code, out, msg)
			}
			if err := db.Expect("SELECT status = 'PAUSED' FROM jobs WHERE id = $1", f.JobIDs[0]); err != nil {
				t.Error(err)
			}
			if life := client.TTL(t.Context(), "circuit_breaker:global").Val(); (life < 0) != (only == "LGB003") {
				t.Errorf("the key lives for %s", life)
			}
		})
	}
}

// A fix that several checks share is shown with all that it does, and asked for once.
func TestASharedFixIsShownWhole(t *testing.T) {
	t.Parallel()
	s, db := migrated(t)
	db.NewCampaign(t, "RUNNING", testenv.Job{Status: "PAUSED"}, testenv.Job{Status: "PAUSED"})
	change(t, db, "UPDATE leadgenctl.breaker_transitions SET applied_at = NULL WHERE epoch = 2")
	_, msg, code := s.run(t, "--only", "LGB008,LGQ002", "--fix", "--dry-run")
	for _, want := range []string{"LGB008, LGQ002; would bring", "2 jobs are paused while the circuit breaker is closed: 2 jobs would be resumed"} {
		if code != 1 || strings.Count(msg, want) != 1 {
			t.Errorf("exit %d, not once %q: %s", code, want, msg)
		}
	}
	if err := db.Expect("SELECT count(*) = 2 FROM jobs WHERE status = 'PAUSED'"); err != nil {
		t.Error(err)
	}
	if _, msg, code := s.run(t, "--only", "LGB008,LGQ002", "--fix", "--yes"); code != 0 {
		t.Errorf("exit %d: %s", code, msg)
	}
}

// A job that cannot be given a task is not told as mended.
func TestAFixSaysWhichJobsItFailed(t *testing.T) {
	t.Parallel()
	s, db := migrated(t)
	f := db.NewCampaign(t, "RUNNING", testenv.Job{Type: "ENRICH_LEAD"}) // that no lead names
	change(t, db, "UPDATE jobs SET task_id = 'gone', created_at = now() - interval '2 hours' WHERE campaign_id = $1", f.CampaignID)
	if _, msg, code := s.run(t, "--only", "LGQ006", "--fix", "--yes"); code != 5 || !strings.Contains(msg, "could not be given a task and are FAILED") {
		t.Errorf("exit %d: %s", code, msg)
	}
}

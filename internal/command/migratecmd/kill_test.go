package migratecmd_test

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/crashpoint"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// wait is a limit that only a failure reaches.
const wait = time.Minute

func TestMain(m *testing.M) { testenv.Main(m) }

// The built binary, killed at each step of an online drop; the same command completes it.
func TestOnlineDropSurvivesAKillAtEveryStep(t *testing.T) {
	t.Parallel()
	binary := testenv.Binary(t)
	for _, at := range []string{"before:campaign_gate", "after:campaign_gate", "before:campaign_drop", "after:campaign_drop", "before:expand",
		"after:expand", "before:batch", "before:verify", "after:constraint", "before:validate", "before:analyze", "before:swap", "after:swap"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			db := testenv.NewDatabase(t)
			f := db.NewCampaign(t, "PAUSED")
			up := func(env string) ([]byte, error) {
				cmd := exec.Command(binary, "migrate", "up", "--strategy", "online", "--resolve", "RUNNING", "--yes", "--database-url", db.URL)
				cmd.Env = append(os.Environ(), crashpoint.EnvVar+"="+env)
				return cmd.CombinedOutput()
			}
			out, err := up(at)
			var ee *exec.ExitError
			if !errors.As(err, &ee) || ee.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("it was not killed: %v\n%s", err, out)
			}
			if out, err := up(""); err != nil {
				t.Fatalf("second run: %v\n%s", err, out)
			}
			if err := db.Expect(`SELECT status = 'RUNNING' AND (SELECT count(*) = 4 FROM pg_enum WHERE enumtypid = 'campaignstatus'::regtype)
				AND NOT EXISTS (SELECT FROM pg_type WHERE typname LIKE 'leadgenctl_new%') FROM campaigns WHERE id = $1`, f.CampaignID); err != nil {
				t.Error(err)
			}
		})
	}
}

// What a killed removal has left is named, and repaired either way.
func TestRepairFinishesOrUndoesAKilledRemoval(t *testing.T) {
	t.Parallel()
	for _, way := range []struct{ flag, action, expect string }{
		{"--finish", "finished", "SELECT count(*) = 4 FROM pg_enum WHERE enumtypid = 'campaignstatus'::regtype"},
		{"--undo", "undone", "SELECT count(*) = 5 FROM pg_enum WHERE enumtypid = 'campaignstatus'::regtype"},
	} {
		t.Run(way.action, func(t *testing.T) {
			t.Parallel()
			db := testenv.NewDatabase(t)
			db.NewCampaign(t, "RUNNING")
			cli := testenv.NewCLI(t, db.URL, "")
			cmd := exec.Command(testenv.Binary(t), "migrate", "up", "--strategy", "online", "--yes", "--database-url", db.URL)
			cmd.Env = append(os.Environ(), crashpoint.EnvVar+"=before:verify")
			if out, err := cmd.CombinedOutput(); err == nil {
				t.Fatalf("it was not killed: %s", out)
			}
			var r struct {
				Unfinished []struct {
					Type, Value string
					Left        []string
				}
				Action string
			}
			for _, args := range [][]string{{"repair", "--dry-run"}, {"repair"}} {
				cli.JSON(&r, 0, append([]string{"migrate"}, args...)...)
				if len(r.Unfinished) != 1 || r.Unfinished[0].Value != "PAUSED" || len(r.Unfinished[0].Left) < 3 || r.Action != "none" {
					t.Fatalf("%v: %+v", args, r)
				}
			}
			cli.Expect(2, "migrate", "repair", way.flag)
			cli.JSON(&r, 0, "migrate", "repair", way.flag, "--yes")
			if r.Action != way.action {
				t.Errorf("%+v", r)
			}
			cli.JSON(&r, 0, "migrate", "repair")
			if len(r.Unfinished) != 0 {
				t.Errorf("left: %+v", r)
			}
			for _, q := range []string{way.expect, "SELECT NOT EXISTS (SELECT FROM pg_type WHERE typname LIKE 'leadgenctl_new%')"} {
				if err := db.Expect(q); err != nil {
					t.Error(err)
				}
			}
			if out, err := exec.Command(testenv.Binary(t), "migrate", "up", "--strategy", "online", "--yes", "--database-url", db.URL).CombinedOutput(); err != nil {
				t.Errorf("up afterwards: %v: %s", err, out)
			}
		})
	}
}

// What somebody has changed is told by --dry-run, and put back.
func TestRepairPutsTheGuardBack(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	cli := testenv.NewCLI(t, db.URL, "")
	cli.Expect(0, "migrate", "up", "--yes")
	if _, err := db.Pool.Exec(t.Context(), "ALTER TABLE jobs ENABLE REPLICA TRIGGER leadgenctl_job_guard"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args    []string
		putBack int
		enabled bool
	}{{[]string{"--dry-run"}, 1, false}, {nil, 1, true}, {nil, 0, true}} {
		var r struct {
			PutBack []string `json:"put_back"`
		}
		cli.JSON(&r, 0, append([]string{"migrate", "repair"}, c.args...)...)
		if len(r.PutBack) != c.putBack {
			t.Errorf("%v: %+v", c.args, r)
		}
		if err := db.Expect("SELECT (tgenabled = 'O') = $1 FROM pg_trigger WHERE tgname = 'leadgenctl_job_guard'", c.enabled); err != nil {
			t.Errorf("%v: %v", c.args, err)
		}
	}
}

package campaigncmd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// run is a user's call of the built binary.
func run(t *testing.T, db *testenv.Database, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(testenv.Binary(t), append([]string{"--database-url", db.URL, "--actor", "ann@host"}, args...)...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// A name makes no row of its own, and does nothing to the terminal.
func TestANameIsOneLine(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	f := db.NewCampaign(t, "PAUSED")
	if _, err := db.Pool.Exec(t.Context(), `UPDATE campaigns SET name = E'\x1b[2Jred\nnew | row' WHERE id = $1`, f.CampaignID); err != nil {
		t.Fatal(err)
	}
	out, msg, code := run(t, db, "campaign", "check-paused")
	if code != 1 || !strings.Contains(out, "red new | row") || strings.ContainsAny(out, "\x1b") || strings.Contains(out, "\nnew") {
		t.Errorf("exit %d: %q %s", code, out, msg)
	}
}

func TestCampaignCommands(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	f := db.NewCampaign(t, "PAUSED")
	other := db.NewCampaign(t, "PAUSED")

	// Reading needs no table of ours; changing says which command makes it.
	out, _, code := run(t, db, "campaign", "check-paused", "-o", "json")
	var list struct {
		Paused    int
		Campaigns []map[string]any
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 1 || list.Paused != 2 || list.Campaigns[0]["id"] != f.CampaignID ||
		list.Campaigns[0]["organization_id"] != f.OrganizationID || list.Campaigns[0]["updated_at"] == nil {
		t.Fatalf("%d %s %v", code, out, err)
	}
	if v, ok := list.Campaigns[0]["status_message"]; !ok || v != nil {
		t.Errorf("status_message: %v, %v", v, ok)
	}
	if _, msg, code := run(t, db, "campaign", "resolve-paused"); code != 3 || !strings.Contains(msg, "migrate up --to base") {
		t.Fatalf("without our schema: %d %s", code, msg)
	}
	s, err := schema.New(db.Pool, schema.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Up(t.Context(), schema.Base); err != nil {
		t.Fatal(err)
	}
	if _, msg, code := run(t, db, "campaign", "resolve-paused", "--to", "COMPLETED"); code != 2 || !strings.Contains(msg, "RUNNING, CREATED, FAILED") {
		t.Errorf("--to COMPLETED: %d %s", code, msg)
	}
	for _, bad := range [][]string{{"--to", "RUNNING", "--undo"}, {"some-id"}, {"--undo="}, {"--undo", "no-such-change"}, {"--undo=a", "b"}} {
		if _, msg, code := run(t, db, append([]string{"campaign", "resolve-paused"}, bad...)...); code != 2 || msg == "" {
			t.Errorf("%v: %d %s", bad, code, msg)
		}
	}
	if out, _, code := run(t, db, "campaign", "resolve-paused", "--dry-run"); code != 0 || !strings.Contains(out, other.CampaignID) {
		t.Errorf("dry run: %d %s", code, out)
	}
	out, _, code = run(t, db, "campaign", "resolve-paused", "--to", "failed", "-o", "json")
	var r struct {
		Changed   bool
		ChangeID  string `json:"change_id"`
		Campaigns []map[string]any
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 || !r.Changed || len(r.Campaigns) != 2 {
		t.Fatalf("%d %s %v", code, out, err)
	}
	if out, _, code := run(t, db, "campaign", "check-paused"); code != 0 || !strings.Contains(out, "No campaign is PAUSED") {
		t.Errorf("%d %s", code, out)
	}
	if out, _, code := run(t, db, "campaign", "resolve-paused"); code != 0 || !strings.Contains(out, "nothing to do") {
		t.Errorf("%d %s", code, out)
	}
	if out, _, code := run(t, db, "campaign", "status", "-o", "json"); code != 0 || !strings.Contains(out, `"FAILED": 2`) {
		t.Errorf("%d %s", code, out)
	}
	if _, err := db.Pool.Exec(t.Context(), "UPDATE campaigns SET name = 'x', updated_at = now() WHERE id = $1", f.CampaignID); err != nil {
		t.Fatal(err)
	}
	if out, msg, code := run(t, db, "campaign", "resolve-paused", "--undo", r.ChangeID); code != 5 || !strings.Contains(out, "changed since") {
		t.Errorf("%d %s %s", code, out, msg)
	}
	if _, msg, code := run(t, db, "campaign", "resolve-paused", "--undo"); code != 4 || !strings.Contains(msg, "changed") {
		t.Errorf("%d %s", code, msg)
	}
	if err := db.Expect("SELECT status = 'PAUSED' FROM campaigns WHERE id = $1", other.CampaignID); err != nil {
		t.Error(err)
	}
}

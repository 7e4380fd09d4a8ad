package migratecmd_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// What cannot be carried over stops plan and up alike, with the reason, before anything is changed.
func TestADependentStopsPlanAndUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ sql, reason string }{
		"view":        {"CREATE VIEW report AS SELECT id, status FROM campaigns", "view report"},
		"two columns": {"ALTER TABLE organizations ADD last campaignstatus", "2 columns"},
		"publication": {"CREATE PUBLICATION feed FOR TABLE campaigns", "published by feed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := testenv.NewDatabase(t)
			db.NewCampaign(t, "RUNNING")
			if _, err := db.Pool.Exec(t.Context(), c.sql); err != nil {
				t.Fatal(err)
			}
			cli := testenv.NewCLI(t, db.URL, "")
			for _, line := range []string{"migrate plan --strategy online", "migrate up --strategy online --dry-run", "migrate up --strategy online --yes"} {
				if r := cli.Expect(4, strings.Fields(line)...); !strings.Contains(r.Stderr, c.reason) || !strings.Contains(r.Stderr, "--strategy retire") {
					t.Errorf("%s: %s", line, r.Stderr)
				}
				if err := db.Expect("SELECT to_regnamespace('leadgenctl') IS NULL"); err != nil {
					t.Errorf("%s changed the database: %v", line, err)
				}
			}
			cli.Expect(0, "migrate", "up", "--yes")
		})
	}
}

func TestASecondMigrationSaysWhoHoldsTheLock(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	cli := testenv.NewCLI(t, db.URL, "")
	cli.Expect(0, "migrate", "up", "--to", "base", "--yes")
	holder, err := pgx.Connect(t.Context(), db.URL+"&application_name=colleague")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Close(t.Context()) }()
	if _, err := holder.Exec(t.Context(), "BEGIN; LOCK TABLE campaigns"); err != nil {
		t.Fatal(err)
	}
	first := cli.Command("migrate", "up", "--yes")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, wait, func() error {
		return db.Expect("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))")
	})
	if r := cli.Expect(4, "migrate", "up", "--yes"); !strings.Contains(r.Stderr, "pid ") {
		t.Errorf("it does not say who holds the lock: %s", r.Stderr)
	}
	if _, err := holder.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := first.Wait(); err != nil {
		t.Errorf("the first run: %v", err)
	}
}

func TestBadFlagsOfTheDropChangeNothing(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	cli := testenv.NewCLI(t, db.URL, "")
	for _, line := range []string{
		"migrate up --yes --strategy magic", "migrate up --yes --max-load -1", "migrate up --yes --max-lag -5s", "migrate up --yes --rewrite-limit -1",
		"migrate up --yes --resolve COMPLETED", "migrate up --yes --to 99", "migrate drop-value jobstatus", "migrate up",
	} {
		cli.Expect(2, strings.Fields(line)...)
	}
	if err := db.Expect("SELECT to_regnamespace('leadgenctl') IS NULL"); err != nil {
		t.Error(err)
	}
}

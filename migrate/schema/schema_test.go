package schema_test

import (
	"context"
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-migrate/migrate/v4"
	_ "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	_ "github.com/golang-migrate/migrate/v4/source/file"
	"github.com/google/go-cmp/cmp"

	"github.com/leadgenctl/leadgenctl/campaign/enumdrop"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func newMigrator(t testing.TB, db *testenv.Database, s schema.Settings) *schema.Migrator {
	t.Helper()
	m, err := schema.New(db.Pool, s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// dump is the database's schema as pg_dump prints it, without its random tokens.
func dump(t testing.TB, db *testenv.Database) string {
	t.Helper()
	out, err := exec.Command("pg_dump", "-s", "--no-owner", db.URL).Output()
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^\\(un)?restrict .*$`).ReplaceAllString(string(out), "")
}

func TestUpDownUpDownLeavesNoTrace(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	db.NewCampaign(t, "COMPLETED", testenv.Job{})
	m := newMigrator(t, db, schema.Settings{})
	before := dump(t, db)
	for range 2 {
		if err := m.Up(t.Context(), schema.Latest); err != nil {
			t.Fatal(err)
		}
		if dump(t, db) == before {
			t.Fatal("up changed nothing")
		}
		if err := m.Down(t.Context(), schema.All); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, dump(t, db)); diff != "" {
			t.Fatalf("the schema after up and down differs:\n%s", diff)
		}
	}
}

func TestEachStepDownLeavesTheSchemaOfTheStepBelow(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	m := newMigrator(t, db, schema.Settings{})
	all, err := schema.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	var dumps []string
	for _, mig := range all {
		if err := m.Up(t.Context(), mig.Name); err != nil {
			t.Fatalf("up to %s: %v", mig, err)
		}
		dumps = append(dumps, dump(t, db))
	}
	for i := len(all) - 1; i > 0; i-- {
		if err := m.Down(t.Context(), ""); err != nil {
			t.Fatalf("down from %s: %v", all[i], err)
		}
		if diff := cmp.Diff(dumps[i-1], dump(t, db)); diff != "" {
			t.Fatalf("after down from %s:\n%s", all[i], diff)
		}
	}
}

func TestUpStopsAtTheGateWhileCampaignsArePaused(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	f := db.NewCampaign(t, "PAUSED")
	m := newMigrator(t, db, schema.Settings{})
	err := m.Up(t.Context(), schema.Latest)
	var refused *schema.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(refused.Message, "1 campaigns are PAUSED") {
		t.Fatalf("got %v, want a refusal that counts the campaigns", err)
	}
	st, err := m.Status(t.Context())
	if err != nil || st.Dirty || st.Pending[0].Name != "campaign_gate_valid" {
		t.Fatalf("after the refusal: %+v, %v; want a clean version at the gate", st, err)
	}
	// The gate keeps new ones out already.
	if _, err := db.Pool.Exec(t.Context(), "UPDATE campaigns SET name = 'x' WHERE id = $1", f.CampaignID); err == nil {
		t.Fatal("a PAUSED campaign could be written behind the gate")
	}
	if _, err := db.Pool.Exec(t.Context(), "UPDATE campaigns SET status = 'RUNNING' WHERE id = $1", f.CampaignID); err != nil {
		t.Fatal(err)
	}
	if err := m.Up(t.Context(), schema.Latest); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Pool.Exec(t.Context(), "SELECT 'PAUSED'::campaignstatus"); err == nil {
		t.Fatal("the label PAUSED can still be named")
	}
}

func TestTheDropRefusesWhoeverRunsIt(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	db.NewCampaign(t, "PAUSED")
	all, err := schema.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	drop := all[len(all)-1]
	if drop.Name != "campaign_drop" {
		t.Fatalf("the last migration is %s", drop)
	}
	out, err := exec.Command("psql", "-v", "ON_ERROR_STOP=1", "-c", drop.Up, db.URL).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "1 campaigns hold it") {
		t.Fatalf("psql: %v\n%s", err, out)
	}
	if err := db.Expect("SELECT EXISTS (SELECT FROM pg_enum WHERE enumlabel = 'PAUSED' AND enumtypid = 'campaignstatus'::regtype)"); err != nil {
		t.Fatal(err)
	}
}

// The plain golang-migrate with its own driver: it stops at the gate, and forced past it, at the drop.
func TestPlainGolangMigrateRefusesToo(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	db.NewCampaign(t, "PAUSED")
	plain, err := migrate.New("file://sql", strings.Replace(db.URL, "postgres://", "pgx5://", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = plain.Close() }()
	if err := plain.Up(); err == nil || !strings.Contains(err.Error(), "leadgenctl_campaign_not_paused") {
		t.Fatalf("the gate: %v", err)
	}
	if err := plain.Force(9); err != nil {
		t.Fatal(err)
	}
	if err := plain.Up(); err == nil || !strings.Contains(err.Error(), "1 campaigns hold it") {
		t.Fatalf("the drop: %v", err)
	}
	if err := db.Expect("SELECT status = 'PAUSED' FROM campaigns"); err != nil {
		t.Error(err)
	}
}

func TestTwoAtOnceOneWorksTheOtherSaysWho(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	inside, release := make(chan struct{}), make(chan struct{})
	first := newMigrator(t, db, schema.Settings{Step: func(name string) {
		if name == "before:snapshots" {
			close(inside)
			<-release
		}
	}})
	done := make(chan error, 1)
	go func() { done <- first.Up(context.Background(), schema.Base) }()
	<-inside
	var locked *schema.LockedError
	if err := newMigrator(t, db, schema.Settings{}).Up(t.Context(), schema.Base); !errors.As(err, &locked) || !strings.Contains(locked.Holder, "pid ") {
		t.Errorf("the second run: %v, want who holds the lock", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestABlockedMigrationNamesTheBlocker(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	db.NewCampaign(t, "RUNNING")
	m := newMigrator(t, db, schema.Settings{Deadline: 3 * time.Second})
	if err := m.Up(t.Context(), schema.Base); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE campaigns IN ROW EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	var blocked *schema.BlockedError
	if err := m.Up(t.Context(), schema.Latest); !errors.As(err, &blocked) || len(blocked.Blockers) == 0 || blocked.Tries < 2 {
		t.Fatalf("got %v (%+v), want several tries and the blocker", err, blocked)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	st, err := m.Status(t.Context())
	if err != nil || st.Dirty {
		t.Fatalf("after giving up: %+v, %v; want a clean version", st, err)
	}
	if err := m.Up(t.Context(), schema.Latest); err != nil {
		t.Fatal(err)
	}
}

func TestDirtyVersionsAreMendedByWhatIsReallyThere(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	m := newMigrator(t, db, schema.Settings{})
	if err := m.Up(t.Context(), schema.Base); err != nil {
		t.Fatal(err)
	}
	before, err := m.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, sql := range map[string]string{
		"an up that was not applied": "UPDATE leadgenctl.schema_migrations SET version = (SELECT min(v) FROM (VALUES (8)) AS next(v)), dirty = true",
		"an up that was applied":     "UPDATE leadgenctl.schema_migrations SET dirty = true",
	} {
		if _, err := db.Pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		_, after, err := m.Repair(t.Context(), schema.Report)
		if err != nil || after.Dirty || after.Version != before.Version {
			t.Errorf("%s: got %+v, %v; want version %d, clean", name, after, err, before.Version)
		}
	}
}

func TestWorksThroughPgBouncerInTransactionMode(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	pool := testenv.NewPool(t, testenv.StartPgBouncer(t, db, 4))
	for _, strategy := range enumdrop.Strategies {
		m, err := schema.New(pool, schema.Settings{Strategy: strategy})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Up(t.Context(), schema.Latest); err != nil {
			t.Fatalf("%s: %v", strategy, err)
		}
		if err := m.Down(t.Context(), schema.All); err != nil {
			t.Fatalf("%s: %v", strategy, err)
		}
	}
}

func TestUnknownTarget(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	var unknown *schema.UnknownTargetError
	if err := newMigrator(t, db, schema.Settings{}).Up(t.Context(), "bogus"); !errors.As(err, &unknown) {
		t.Fatalf("got %v", err)
	}
}

func TestResolveMovesTheLastPausedCampaignsAtTheGate(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	f := db.NewCampaign(t, "PAUSED")
	if err := newMigrator(t, db, schema.Settings{Resolve: "RUNNING", Actor: "tester@host"}).Up(t.Context(), schema.Latest); err != nil {
		t.Fatal(err)
	}
	if err := db.Expect(`SELECT c.status = 'RUNNING' AND h.old_status = 'PAUSED' AND h.actor = 'tester@host'
		FROM campaigns c JOIN leadgenctl.campaign_changes h ON h.campaign_id = c.id WHERE c.id = $1`, f.CampaignID); err != nil {
		t.Fatal(err)
	}
}

func TestAnUnknownRevisionOfThePlatformIsRefused(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	before := dump(t, db)
	if _, err := db.Pool.Exec(t.Context(), "UPDATE alembic_version SET version_num = 'ffff00000000'"); err != nil {
		t.Fatal(err)
	}
	var unknown *schema.RevisionError
	if err := newMigrator(t, db, schema.Settings{}).Up(t.Context(), schema.Base); !errors.As(err, &unknown) || unknown.Revision != "ffff00000000" {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff(before, dump(t, db)); diff != "" {
		t.Fatalf("a refusal changed the schema:\n%s", diff)
	}
	if err := newMigrator(t, db, schema.Settings{AllowRevisions: []string{"ffff00000000"}}).Up(t.Context(), schema.Base); err != nil {
		t.Fatal(err)
	}
	if err := newMigrator(t, testenv.NewEmptyDatabase(t), schema.Settings{}).Up(t.Context(), schema.Base); !errors.As(err, &unknown) || unknown.Revision != "" {
		t.Fatalf("another database: %v", err)
	}
}

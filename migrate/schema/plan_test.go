package schema_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

// rank orders the table locks by strength.
var rank = map[string]int{"AccessShareLock": 1, "RowShareLock": 2, "RowExclusiveLock": 3, "ShareUpdateExclusiveLock": 4,
	"ShareLock": 5, "ShareRowExclusiveLock": 6, "ExclusiveLock": 7, "AccessExclusiveLock": 8}

// What the plan says of each statement's lock is what PostgreSQL takes for it.
func TestThePlanTellsTheLocksThatAreReallyTaken(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	db.NewCampaign(t, "RUNNING", testenv.Job{})
	m := newMigrator(t, db, schema.Settings{})
	if err := m.Up(t.Context(), schema.Latest); err != nil {
		t.Fatal(err)
	}
	if err := m.Down(t.Context(), schema.All); err != nil { // the version table's schema is needed only
		t.Fatal(err)
	}
	all, err := schema.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Pool.Exec(t.Context(), "CREATE SCHEMA leadgenctl"); err != nil {
		t.Fatal(err)
	}
	for _, mig := range all {
		statements := mig.Statements()
		if len(statements) == 0 {
			t.Errorf("%s has no statement", mig)
		}
		for _, s := range statements {
			table, lock := strongest(t, db, s.SQL)
			told := strings.ReplaceAll(s.Lock, " ", "")
			if s.Table != table || !strings.EqualFold(told+"Lock", lock) && lock+told != "" {
				t.Errorf("%s: the plan says %q on %q, PostgreSQL took %q on %q for\n%s", mig, s.Lock, s.Table, lock, table, s.SQL)
			}
		}
	}
}

// strongest runs a statement in a transaction of its own and returns the strongest
// lock that it took on a table of the platform.
func strongest(t *testing.T, db *testenv.Database, sql string) (table, lock string) {
	t.Helper()
	tx, err := db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	rows, err := tx.Query(t.Context(), `SELECT c.relname, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
		WHERE l.pid = pg_backend_pid() AND c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'`)
	if err != nil {
		t.Fatal(err)
	}
	var name, mode string
	if _, err := pgx.ForEachRow(rows, []any{&name, &mode}, func() error {
		if rank[mode] > rank[lock] {
			table, lock = name, mode
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return table, lock
}

func TestPlanListsWhatUpWouldRun(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	m := newMigrator(t, db, schema.Settings{})
	if err := m.Up(t.Context(), schema.Base); err != nil {
		t.Fatal(err)
	}
	steps, err := m.Plan(t.Context(), schema.Latest)
	if err != nil || len(steps) != 3 || steps[0].Migration != "0008_campaign_gate" {
		t.Fatalf("%v, %+v", err, steps)
	}
	for _, s := range steps {
		for _, st := range s.Statements {
			if st.Table != "campaigns" || st.Bytes == 0 || st.Lock == "" || st.Work == "" {
				t.Errorf("%s: %+v", s.Migration, st)
			}
		}
	}
}

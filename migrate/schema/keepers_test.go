package schema_test

import (
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

// The guard and the gate come back exactly as they were made, and no record goes.
func TestWhatSomebodyChangedIsPutBack(t *testing.T) {
	t.Parallel()
	const trigger, constraint = "leadgenctl_job_guard", "leadgenctl_campaign_not_paused"
	for name, c := range map[string]struct{ fault, sql string }{
		"the trigger is gone":       {"is missing", "DROP TRIGGER " + trigger + " ON jobs"},
		"with its function":         {"is missing", "DROP FUNCTION leadgenctl.guard_job CASCADE"},
		"the trigger is disabled":   {"is disabled", "ALTER TABLE jobs DISABLE TRIGGER " + trigger},
		"the guard has no mode":     {"has no mode: leadgenctl.job_guard is empty", "DELETE FROM leadgenctl.job_guard"},
		"the gate is gone":          {"is missing", "ALTER TABLE campaigns DROP CONSTRAINT " + constraint},
		"the gate keeps nobody out": {"tests something else", "ALTER TABLE campaigns DROP CONSTRAINT " + constraint + ", ADD CONSTRAINT " + constraint + " CHECK (true)"},
		"the gate looks at no row": {"is not validated", "ALTER TABLE campaigns DROP CONSTRAINT " + constraint +
			", ADD CONSTRAINT " + constraint + " CHECK (status::text NOT IN ('PAUSED', 'PAUSED__retired')) NOT VALID"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := testenv.NewDatabase(t)
			m := newMigrator(t, db, schema.Settings{})
			if err := m.Up(t.Context(), schema.Latest); err != nil {
				t.Fatal(err)
			}
			before := dump(t, db)
			exec := func(sql string) {
				t.Helper()
				if _, err := db.Pool.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			exec("INSERT INTO leadgenctl.job_violations (job_id, old_status, new_status, application_name, user_name) VALUES (7, 'a', 'b', 'c', 'd')")
			exec("INSERT INTO leadgenctl.operations (actor, operation, detail) VALUES ('ann', 'fix', '{}')")
			exec(c.sql)
			if found, err := m.PutBack(t.Context()); err != nil || len(found) != 1 || found[0].Fault != c.fault {
				t.Fatalf("%+v, %v", found, err)
			}
			if dump(t, db) != before {
				t.Error("the schema is not as it was")
			}
			if err := db.Expect(`SELECT (SELECT count(*) FROM leadgenctl.job_violations) = 1 AND (SELECT count(*) FROM leadgenctl.operations) = 1
				AND (SELECT mode FROM leadgenctl.job_guard) = 'observe'`); err != nil {
				t.Error(err)
			}
			if found, err := m.PutBack(t.Context()); err != nil || len(found) != 0 {
				t.Errorf("again: %+v, %v", found, err)
			}
		})
	}
}

// What no migration has made yet, or not yet validated, is not put back.
func TestOnlyWhatWasMadeIsPutBack(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	m := newMigrator(t, db, schema.Settings{})
	for _, target := range []string{"outbox", "job_guard", "campaign_gate", "campaign_gate_valid"} {
		if err := m.Up(t.Context(), target); err != nil {
			t.Fatal(err)
		}
		before := dump(t, db)
		if found, err := m.PutBack(t.Context()); err != nil || len(found) != 0 || dump(t, db) != before {
			t.Errorf("%s: %+v, %v", target, found, err)
		}
	}
}

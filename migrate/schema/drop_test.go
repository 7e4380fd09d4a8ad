package schema_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leadgenctl/leadgenctl/campaign/enumdrop"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

// Up and down twice by each way; the online way moves the column to the table's end.
func TestEveryStrategyThereAndBack(t *testing.T) {
	t.Parallel()
	for _, s := range enumdrop.Strategies {
		t.Run(string(s), func(t *testing.T) {
			t.Parallel()
			db := testenv.NewDatabase(t)
			f := db.NewCampaign(t, "PAUSED")
			db.NewCampaign(t, "COMPLETED")
			before := dump(t, db)
			m := newMigrator(t, db, schema.Settings{Strategy: s, Resolve: "RUNNING", Actor: "tester@host"})
			for range 2 {
				if err := m.Up(t.Context(), schema.Latest); err != nil {
					t.Fatal(err)
				}
				if err := db.Expect(`SELECT status::text = 'RUNNING' AND EXISTS (SELECT FROM pg_enum WHERE enumtypid = 'campaignstatus'::regtype AND enumlabel = 'PAUSED__retired') = $2
					FROM campaigns WHERE id = $1`, f.CampaignID, s == enumdrop.Retire); err != nil {
					t.Error(err)
				}
				if err := m.Down(t.Context(), schema.All); err != nil {
					t.Fatal(err)
				}
				if err := db.Expect("SELECT status = 'PAUSED' FROM campaigns WHERE id = $1", f.CampaignID); err != nil {
					t.Errorf("the resolved campaign was not put back: %v", err)
				}
				want, got := before, dump(t, db)
				if s == enumdrop.Online {
					want, got = lines(want), lines(got)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("the schema after up and down differs:\n%s", diff)
				}
			}
		})
	}
}

// lines are those of a dump, whatever their order.
func lines(dump string) string {
	all := strings.Split(dump, "\n")
	for i := range all {
		all[i] = strings.TrimSuffix(all[i], ",")
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// A retired value is removed physically by a later run.
func TestPhysicalDropAtLeisure(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	db.NewCampaign(t, "RUNNING")
	if err := newMigrator(t, db, schema.Settings{}).Up(t.Context(), schema.Latest); err != nil {
		t.Fatal(err)
	}
	m := newMigrator(t, db, schema.Settings{Strategy: enumdrop.Online})
	steps, err := m.Plan(t.Context(), schema.Latest)
	if err != nil || len(steps) != 1 || !strings.Contains(steps[0].Statements[0].SQL, "CREATE TYPE") {
		t.Fatalf("%+v, %v", steps, err)
	}
	if err := m.Up(t.Context(), schema.Latest); err != nil {
		t.Fatal(err)
	}
	if err := db.Expect("SELECT count(*) = 4 FROM pg_enum WHERE enumtypid = 'campaignstatus'::regtype"); err != nil {
		t.Error(err)
	}
}

// What is in the way is known, and named, before anything is changed by the drop.
func TestADropThatCannotBeRefuses(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	if _, err := db.Pool.Exec(t.Context(), "CREATE VIEW v AS SELECT status FROM campaigns"); err != nil {
		t.Fatal(err)
	}
	var refused *schema.RefusedError
	m := newMigrator(t, db, schema.Settings{Strategy: enumdrop.Online})
	if err := m.Up(t.Context(), schema.Latest); !errors.As(err, &refused) || !strings.Contains(refused.Message, "view v") {
		t.Fatalf("got %v", err)
	}
	if err := newMigrator(t, db, schema.Settings{Strategy: enumdrop.Auto}).Up(t.Context(), schema.Latest); err != nil {
		t.Fatalf("auto: %v; want it to stay with retire", err)
	}
}

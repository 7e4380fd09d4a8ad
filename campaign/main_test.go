package campaign_test

import (
	"testing"

	"github.com/leadgenctl/leadgenctl/campaign"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func newManager(t *testing.T) (*campaign.Manager, *testenv.Database) {
	t.Helper()
	db := testenv.NewDatabase(t)
	install(t, db, schema.Base)
	m, err := campaign.New(db.Pool)
	if err != nil {
		t.Fatal(err)
	}
	return m, db
}

func install(t *testing.T, db *testenv.Database, target string) {
	t.Helper()
	s, err := schema.New(db.Pool, schema.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Up(t.Context(), target); err != nil {
		t.Fatal(err)
	}
}

// rows is everything that a change may touch, as text, ordered.
func rows(t *testing.T, db *testenv.Database) string {
	t.Helper()
	var s string
	err := db.Pool.QueryRow(t.Context(), `SELECT string_agg(c::text, E'\n' ORDER BY id) FROM campaigns c`).Scan(&s)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func exec(t *testing.T, db *testenv.Database, sql string, args ...any) {
	t.Helper()
	if _, err := db.Pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

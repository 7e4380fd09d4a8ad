package enumdrop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leadgenctl/leadgenctl/campaign/enumdrop"
	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// The platform's own queries, through SQLAlchemy and psycopg2, do not notice any way.
func TestThePlatformsQueriesWorkThroughout(t *testing.T) {
	t.Parallel()
	for _, s := range []enumdrop.Strategy{enumdrop.Retire, enumdrop.Rewrite, enumdrop.Online} {
		t.Run(string(s), func(t *testing.T) {
			t.Parallel()
			db := testenv.NewDatabase(t)
			fill(t, db, 10_000)
			run(t, db, "UPDATE campaigns SET id = 'fixed' WHERE id = (SELECT min(id) FROM campaigns)")
			app := startApp(t, db)
			app.rounds(t, 20)
			if err := newDropper(t, db, enumdrop.Settings{}).Drop(t.Context(), s); err != nil {
				t.Error(err)
			}
			app.rounds(t, 20)
			for _, f := range app.end(t) {
				t.Errorf("a query failed: %s", f)
			}
		})
	}
}

type app struct {
	db  *testenv.Database
	cmd *exec.Cmd
	end func(t *testing.T) (failures []string)
}

func startApp(t *testing.T, db *testenv.Database) *app {
	t.Helper()
	python, err := servers.Python()
	if err != nil {
		t.Fatal(err)
	}
	var out, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), python, filepath.Join(testenv.Root(), "testdata", "drivers", "platform_app.py"))
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), "DATABASE_URL="+db.URL), &out, &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &app{db: db, cmd: cmd, end: func(t *testing.T) []string {
		t.Helper()
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Fatalf("%v\n%s", err, stderr.String())
		}
		var report struct {
			Runs     map[string]int
			Failures []string
		}
		if err := json.Unmarshal(out.Bytes(), &report); err != nil {
			t.Fatal(err)
		}
		for way, n := range report.Runs {
			if n == 0 {
				t.Errorf("%s never ran", way)
			}
		}
		return report.Failures
	}}
}

// rounds waits until the application has inserted n more campaigns in both of its ways.
func (a *app) rounds(t *testing.T, n int) {
	t.Helper()
	var have int
	const count = "SELECT least(count(*) FILTER (WHERE id LIKE 'orm-%'), count(*) FILTER (WHERE id LIKE 'text-%')) FROM campaigns"
	if err := a.db.Pool.QueryRow(t.Context(), count).Scan(&have); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, time.Minute, func() error { return a.db.Expect("SELECT ("+count+") >= $1", have+n) })
}

// A driver that keeps statements prepared fails once per connection and statement after
// the swap, with PostgreSQL's own error, and prepares again; the rename of retire fails none.
func TestPreparedStatementsFailOnceAfterTheSwap(t *testing.T) {
	t.Parallel()
	for strategy, want := range map[enumdrop.Strategy]int{enumdrop.Retire: 0, enumdrop.Rewrite: 1, enumdrop.Online: 1} {
		t.Run(string(strategy), func(t *testing.T) {
			t.Parallel()
			db := testenv.NewDatabase(t)
			fill(t, db, 100)
			config, err := pgxpool.ParseConfig(db.URL)
			if err != nil {
				t.Fatal(err)
			}
			config.MaxConns = 1
			pool, err := pgxpool.NewWithConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(pool.Close)
			read := func() error {
				_, err := pool.Exec(context.WithoutCancel(t.Context()), "SELECT * FROM campaigns WHERE name = $1", "campaign 1")
				return err
			}
			if err := errors.Join(read(), read()); err != nil {
				t.Fatal(err)
			}
			if err := newDropper(t, db, enumdrop.Settings{}).Drop(t.Context(), strategy); err != nil {
				t.Fatal(err)
			}
			failed := 0
			for range 5 {
				if err := read(); err != nil {
					failed++
					var pg *pgconn.PgError
					if !errors.As(err, &pg) || pg.Code != "0A000" || pg.Message != "cached plan must not change result type" {
						t.Error(err)
					}
				}
			}
			if failed != want {
				t.Errorf("%d statements failed, want %d", failed, want)
			}
		})
	}
}

package enumdrop_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leadgenctl/leadgenctl/campaign/enumdrop"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func newDropper(t testing.TB, db *testenv.Database, s enumdrop.Settings) *enumdrop.Dropper {
	t.Helper()
	if s.Type == "" {
		s.Type, s.Value = "campaignstatus", "PAUSED"
	}
	d, err := enumdrop.New(db.Pool, s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func run(t testing.TB, db *testenv.Database, sql string, args ...any) {
	t.Helper()
	if _, err := db.Pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// fill makes n campaigns, 70 % of them COMPLETED, and what may hang on their status.
func fill(t testing.TB, db *testenv.Database, n int) {
	t.Helper()
	run(t, db, "CREATE SCHEMA leadgenctl")
	run(t, db, "INSERT INTO organizations (id, name) VALUES ('o', 'o')")
	run(t, db, `INSERT INTO campaigns (id, name, status, organization_id, "fileName", "totalRecords", url)
		SELECT gen_random_uuid()::text, 'campaign ' || i, (CASE WHEN i % 10 < 7 THEN 'COMPLETED' WHEN i % 10 = 7 THEN 'FAILED' WHEN i % 10 = 8 THEN 'RUNNING' ELSE 'CREATED' END)::campaignstatus,
			'o', 'f.csv', i, repeat('https://example.com/', 5) FROM generate_series(1, $1::int) i`, n)
	run(t, db, "VACUUM ANALYZE campaigns")
}

const furniture = `CREATE INDEX ix_status ON campaigns (status, created_at DESC);
CREATE INDEX ix_running ON campaigns (name) WHERE status = 'RUNNING';
ALTER TABLE campaigns ALTER status SET DEFAULT 'CREATED', ALTER status SET STATISTICS 250;
ALTER TABLE campaigns ADD CONSTRAINT done_later CHECK (status <> 'FAILED' OR name <> 'status');
COMMENT ON COLUMN campaigns.status IS 'the user''s view'; COMMENT ON TYPE campaignstatus IS 'of campaigns';
GRANT SELECT (status) ON campaigns TO PUBLIC;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER watch AFTER UPDATE ON campaigns FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status AND NEW.status = 'FAILED') EXECUTE FUNCTION f();
ALTER TABLE campaigns DISABLE TRIGGER watch;
CREATE STATISTICS st (dependencies) ON status, name FROM campaigns;
COMMENT ON INDEX ix_running IS 'one'; COMMENT ON CONSTRAINT done_later ON campaigns IS 'two';
COMMENT ON TRIGGER watch ON campaigns IS 'three'; COMMENT ON STATISTICS st IS 'four';`

// dump is the schema; sorted, where the order of columns and objects may differ.
func dump(t testing.TB, db *testenv.Database) []string {
	t.Helper()
	out, err := exec.Command("pg_dump", "-s", "--no-owner", db.URL).Output()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.SplitSeq(regexp.MustCompile(`(?m)^(\\(un)?restrict .*|--.*)$`).ReplaceAllString(string(out), ""), "\n") {
		if line = strings.TrimRight(line, ","); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

func checksum(t testing.TB, db *testenv.Database) (sum string) {
	t.Helper()
	if err := db.Pool.QueryRow(t.Context(), "SELECT md5(string_agg(id || status::text || name, ',' ORDER BY id)) FROM campaigns").Scan(&sum); err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestBothWaysCarryEverythingOver(t *testing.T) {
	t.Parallel()
	for _, s := range []enumdrop.Strategy{enumdrop.Rewrite, enumdrop.Online} {
		t.Run(string(s), func(t *testing.T) {
			t.Parallel()
			db := testenv.NewDatabase(t)
			fill(t, db, 2000)
			run(t, db, furniture)
			before, sum := dump(t, db), checksum(t, db)
			d := newDropper(t, db, enumdrop.Settings{})
			if err := d.Drop(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			if got := checksum(t, db); got != sum {
				t.Error("rows changed")
			}
			if err := db.Expect("SELECT NOT EXISTS (SELECT FROM pg_enum WHERE enumtypid = 'campaignstatus'::regtype AND enumlabel LIKE 'PAUSED%')"); err != nil {
				t.Error(err)
			}
			if err := d.Drop(t.Context(), s); err != nil {
				t.Errorf("second run: %v", err)
			}
			run(t, db, "ALTER TYPE campaignstatus ADD VALUE 'PAUSED'")
			if diff := cmp.Diff(sorted(before), sorted(dump(t, db))); diff != "" {
				t.Errorf("the schema differs:\n%s", diff)
			}
		})
	}
}

func sorted(lines []string) map[string]int {
	m := map[string]int{}
	for _, l := range lines {
		m[strings.TrimSpace(l)]++
	}
	return m
}

func TestWhatCannotBeCarriedRefuses(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"view":              "CREATE VIEW v AS SELECT id, status FROM campaigns",
		"materialized view": "CREATE MATERIALIZED VIEW v AS SELECT count(*) FROM campaigns WHERE status = 'RUNNING'",
		"function":          "CREATE FUNCTION g(campaignstatus) RETURNS int LANGUAGE sql AS 'SELECT 1'",
		"policy":            "CREATE POLICY p ON campaigns USING (status <> 'FAILED')",
		"domain":            "CREATE DOMAIN dom AS campaignstatus",
		"array":             "CREATE TABLE x (s campaignstatus[])",
		"partition":         "CREATE TABLE x (s campaignstatus) PARTITION BY LIST (s)",
		"unique":            "ALTER TABLE campaigns ADD CONSTRAINT u UNIQUE (id, status)",
		"generated":         "ALTER TABLE campaigns ADD g boolean GENERATED ALWAYS AS (status = 'FAILED') STORED",
		"composite":         "CREATE TYPE comp AS (s campaignstatus)",
		"foreign table":     "CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw; CREATE FOREIGN TABLE x (s campaignstatus) SERVER far",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := testenv.NewDatabase(t)
			db.NewCampaign(t, "RUNNING")
			run(t, db, sql)
			before := dump(t, db)
			for _, s := range []enumdrop.Strategy{enumdrop.Online, enumdrop.Rewrite} {
				var refused *enumdrop.RefusedError
				if err := newDropper(t, db, enumdrop.Settings{}).Drop(t.Context(), s); !errors.As(err, &refused) {
					t.Errorf("%s: %v", s, err)
				}
			}
			if diff := cmp.Diff(before, dump(t, db)); diff != "" {
				t.Errorf("a refusal changed the schema:\n%s", diff)
			}
		})
	}
}

func TestRowsWithTheValueRefuse(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	db.NewCampaign(t, "PAUSED")
	before := dump(t, db)
	for _, s := range enumdrop.Strategies {
		var refused *enumdrop.RefusedError
		if err := newDropper(t, db, enumdrop.Settings{}).Drop(t.Context(), s); !errors.As(err, &refused) || !strings.Contains(refused.Reason, "1 rows") {
			t.Errorf("%s: %v", s, err)
		}
	}
	if diff := cmp.Diff(before, dump(t, db)); diff != "" {
		t.Errorf("a refusal changed the schema:\n%s", diff)
	}
}

// The stray lower-case label of jobs goes the same way.
func TestStrayJobStatus(t *testing.T) {
	t.Parallel()
	for _, s := range enumdrop.Strategies {
		db := testenv.NewDatabase(t)
		run(t, db, "CREATE SCHEMA leadgenctl")
		db.NewCampaign(t, "RUNNING", testenv.Job{})
		before := sorted(dump(t, db))
		run(t, db, "ALTER TYPE jobstatus ADD VALUE 'paused'")
		if err := newDropper(t, db, enumdrop.Settings{Type: "jobstatus", Value: "paused"}).Drop(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		if s == enumdrop.Retire {
			continue
		}
		if diff := cmp.Diff(before, sorted(dump(t, db))); diff != "" {
			t.Errorf("%s:\n%s", s, diff)
		}
	}
}

// An interruption at each step, and the next run completes; or it is abandoned without a trace.
func TestEveryStepCanBeInterrupted(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"after:gate", "before:validate", "after:retire", "after:expand", "before:batch", "before:verify", "after:constraint", "before:index", "before:analyze", "before:swap", "after:swap"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			db := testenv.NewDatabase(t)
			fill(t, db, 500)
			run(t, db, furniture)
			sum := checksum(t, db)
			ctx, cancel := context.WithCancel(t.Context())
			hit := false
			_ = newDropper(t, db, enumdrop.Settings{Step: func(name string) {
				if name == at {
					hit = true
					cancel()
				}
			}}).Drop(ctx, enumdrop.Online)
			if !hit {
				t.Fatal("the step was not reached")
			}
			if at == "before:index" {
				if err := newDropper(t, db, enumdrop.Settings{}).Abandon(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := db.Expect("SELECT count(*) = 0 FROM pg_attribute WHERE attrelid = 'campaigns'::regclass AND attname LIKE 'leadgenctl_new%' AND NOT attisdropped"); err != nil {
					t.Error(err)
				}
			}
			if err := newDropper(t, db, enumdrop.Settings{}).Drop(t.Context(), enumdrop.Online); err != nil {
				t.Fatal(err)
			}
			if checksum(t, db) != sum {
				t.Error("rows changed")
			}
			if err := db.Expect("SELECT count(*) = 0 FROM pg_attribute WHERE attrelid = 'campaigns'::regclass AND attname LIKE 'leadgenctl_new%' AND NOT attisdropped"); err != nil {
				t.Error(err)
			}
		})
	}
}

// While writers write, an online drop fails no statement and loses no update.
func TestOnlineWhileWritersWrite(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	fill(t, db, 20_000)
	w := startWriter(t, db)
	if err := newDropper(t, db, enumdrop.Settings{}).Drop(t.Context(), enumdrop.Online); err != nil {
		t.Error(err)
	}
	w.judge(t, w.halt())
}

// writer updates and inserts every 5 ms, reads beside it, and knows what must be there.
type writer struct {
	pool    *pgxpool.Pool // that prepares nothing under a name, as the platform's driver
	db      *testenv.Database
	stop    chan struct{}
	wg      sync.WaitGroup
	mu      sync.Mutex
	want    map[string]string
	errs    []error
	longest time.Duration
	n       int
}

func startWriter(t testing.TB, db *testenv.Database) *writer {
	t.Helper()
	w := &writer{pool: testenv.NewPool(t, db.URL), db: db, stop: make(chan struct{}), want: map[string]string{}}
	var ids []string
	if err := db.Pool.QueryRow(t.Context(), "SELECT array_agg(id) FROM (SELECT id FROM campaigns TABLESAMPLE SYSTEM (20) LIMIT 2000) c").Scan(&ids); err != nil {
		t.Fatal(err)
	}
	labels := []string{"CREATED", "RUNNING", "COMPLETED", "FAILED"}
	w.every(func(i int) error {
		id, status := ids[i*7919%len(ids)], labels[i%4]
		if i%2 == 0 {
			id = fmt.Sprintf("new-%d", i)
			if err := w.exec(`INSERT INTO campaigns (id, name, status, organization_id, "fileName", "totalRecords", url)
				VALUES ($1, 'n', $2::campaignstatus, 'o', 'f', 1, 'u') RETURNING id, status`, id, status); err != nil {
				return err
			}
		} else if err := w.exec("UPDATE campaigns SET status = $2, updated_at = now() WHERE id = $1", id, status); err != nil {
			return err
		}
		w.mu.Lock()
		w.want[id] = status
		w.mu.Unlock()
		return nil
	})
	w.every(func(i int) error {
		return w.exec("SELECT * FROM campaigns WHERE id = $1 AND status::text <> $2", ids[i%len(ids)], "PAUSED")
	})
	return w
}

func (w *writer) every(do func(i int) error) {
	w.wg.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-w.stop:
				return
			case <-tick.C:
			}
			if err := do(i); err != nil {
				w.mu.Lock()
				w.errs = append(w.errs, err)
				w.mu.Unlock()
			}
		}
	})
}

func (w *writer) exec(sql string, args ...any) error {
	c, err := w.pool.Acquire(context.Background())
	if err != nil {
		return err
	}
	defer c.Release()
	start := time.Now()
	_, err = c.Exec(context.Background(), sql, args...)
	took := time.Since(start)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.longest = max(w.longest, took)
	w.n++
	return err
}

// halt stops the writer and returns what failed.
func (w *writer) halt() []error {
	close(w.stop)
	w.wg.Wait()
	return w.errs
}

// judge compares every row that the writer wrote.
func (w *writer) judge(t testing.TB, failed []error) {
	t.Helper()
	for _, err := range failed {
		t.Errorf("a statement failed: %v", err)
	}
	var ids, statuses []string
	for id, s := range w.want {
		ids, statuses = append(ids, id), append(statuses, s)
	}
	if len(ids) == 0 {
		t.Error("nothing was written")
	}
	if err := w.db.Expect(`SELECT count(*) = cardinality($1::text[]) FROM campaigns c JOIN unnest($1::text[], $2::text[]) w(id, status) USING (id) WHERE c.status::text = w.status`, ids, statuses); err != nil {
		t.Errorf("an update was lost: %v", err)
	}
}

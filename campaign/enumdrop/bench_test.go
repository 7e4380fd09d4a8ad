package enumdrop_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/campaign/enumdrop"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// BenchmarkDrop drops PAUSED beside a writer and a reader that work every 5 ms, among
// LEADGENCTL_BENCH_CAMPAIGNS campaigns (5,000,000 by default).
func BenchmarkDrop(b *testing.B) {
	n := 5_000_000
	if s := os.Getenv("LEADGENCTL_BENCH_CAMPAIGNS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	pgroll := buildPgroll(b)
	ways := []struct {
		name string
		drop func(b *testing.B, db *testenv.Database) error
	}{
		{"retire", func(b *testing.B, db *testenv.Database) error {
			return newDropper(b, db, enumdrop.Settings{}).Drop(b.Context(), enumdrop.Retire)
		}},
		{"online", func(b *testing.B, db *testenv.Database) error {
			return newDropper(b, db, enumdrop.Settings{}).Drop(b.Context(), enumdrop.Online)
		}},
		{"pgroll", pgroll},
	}
	for _, way := range ways {
		b.Run(way.name, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				db := testenv.NewDatabase(b)
				fill(b, db, n)
				before := tableSize(b, db)
				w := startWriter(b, db)
				time.Sleep(time.Second) // a second of both without the drop, for comparison
				w.mu.Lock()
				quiet := w.longest
				w.longest = 0
				w.mu.Unlock()
				b.StartTimer()
				err := way.drop(b, db)
				b.StopTimer()
				failed := w.halt()
				// The peer leaves a type of another name: the writer's casts fail once it
				// is complete, so that its failures cannot be compared.
				if way.name != "pgroll" {
					b.ReportMetric(float64(len(failed)), "failed-statements")
					w.judge(b, failed)
				}
				if err != nil {
					b.Fatal(err)
				}
				// A way that changed nothing would look fast.
				if err := db.Expect(`SELECT NOT EXISTS (SELECT FROM pg_attribute a JOIN pg_enum e ON e.enumtypid = a.atttypid
					WHERE a.attrelid = 'campaigns'::regclass AND a.attname = 'status' AND e.enumlabel = 'PAUSED')`); err != nil {
					b.Fatalf("%s did not drop the value: %v", way.name, err)
				}
				b.ReportMetric(float64(quiet.Microseconds())/1000, "ms-longest-wait-before")
				b.ReportMetric(float64(w.longest.Microseconds())/1000, "ms-longest-wait")
				b.ReportMetric(float64(tableSize(b, db))/float64(before), "growth")
			}
		})
	}
}

func tableSize(b *testing.B, db *testenv.Database) (n int64) {
	b.Helper()
	if err := db.Pool.QueryRow(b.Context(), "SELECT pg_total_relation_size('campaigns')").Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}

// pgrollVersion is the peer that the online way is measured against.
const pgrollVersion = "v0.14.0"

// buildPgroll builds the peer in a temporary module.
func buildPgroll(b *testing.B) func(*testing.B, *testenv.Database) error {
	b.Helper()
	dir := b.TempDir()
	mod := "module peer\n\ngo 1.24\n\nrequire github.com/xataio/pgroll " + pgrollVersion + "\n"
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o600); err != nil {
		b.Fatal(err)
	}
	bin := filepath.Join(dir, "pgroll")
	cmd := exec.CommandContext(b.Context(), "go", "build", "-o", bin, "github.com/xataio/pgroll")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("build pgroll: %v\n%s", err, out)
	}
	change := filepath.Join(dir, "01_status.json")
	const migration = `{"operations": [{"alter_column": {"table": "campaigns", "column": "status", "type": "campaignstatus_new",
		"up": "status::text::campaignstatus_new", "down": "status::text::campaignstatus"}}]}`
	if err := os.WriteFile(change, []byte(migration), 0o600); err != nil {
		b.Fatal(err)
	}
	return func(b *testing.B, db *testenv.Database) error {
		run(b, db, "CREATE TYPE campaignstatus_new AS ENUM ('CREATED', 'RUNNING', 'COMPLETED', 'FAILED')")
		for _, args := range [][]string{{"init"}, {"baseline", "00_base", b.TempDir(), "--yes"}, {"start", change, "--complete"}} {
			if out, err := exec.CommandContext(b.Context(), bin, append(args, "--postgres-url", db.URL)...).CombinedOutput(); err != nil {
				return fmt.Errorf("pgroll %s: %w: %s", args[0], err, out)
			} else if testing.Verbose() {
				b.Logf("pgroll: %s", out)
			}
		}
		return nil
	}
}

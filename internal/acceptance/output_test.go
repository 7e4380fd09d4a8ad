package acceptance_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"go.yaml.in/yaml/v3"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// migrated is an old platform with leadgenctl's tables, and the environment that leads to it.
func migrated(t *testing.T) (env []string, db *testenv.Database, r *testenv.RedisDB) {
	t.Helper()
	db, r = testenv.NewOldPlatform(t)
	env = []string{"LEADGENCTL_DATABASE_URL=" + db.URL, "LEADGENCTL_REDIS_URL=" + r.URL, "XDG_STATE_HOME=" + t.TempDir()}
	must(t, env, 0, "migrate", "up", "--to", "base", "--yes")
	return env, db, r
}

// Scripts get the fields that they were promised, and nothing but JSON on stdout.
func TestReadingCommandsSpeakJSONAndYAML(t *testing.T) {
	t.Parallel()
	env, _, _ := migrated(t)
	for line, fields := range map[string][]string{
		"breaker status":                       {"state", "opened_at", "closed_at", "reason", "service", "actor", "epoch", "ttl_seconds", "legacy_keys", "jobs"},
		"migrate-state --dry-run":              {"applied", "snapshot", "state", "opened_at", "keys"},
		"campaign check-paused":                {"paused", "campaigns"},
		"check-consistency":                    {"checks", "summary"},
		"breaker history":                      nil,
		"queue status":                         nil,
		"queue inspect 1":                      nil,
		"queue guard status":                   nil,
		"reconcile --dry-run":                  nil,
		"campaign status":                      nil,
		"migrate status":                       nil,
		"snapshot list":                        nil,
		"config view":                          nil,
		"version":                              nil,
		"campaign resolve-paused --dry-run":    nil,
		"breaker open --reason try --dry-run":  nil,
		"migrate up --dry-run":                 nil,
		"check-consistency list":               nil,
		"check-consistency explain LGB003":     nil,
		"breaker close --reason try --dry-run": nil,
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			for format, decode := range map[string]func([]byte, any) error{"json": json.Unmarshal, "yaml": yaml.Unmarshal} {
				r := leadgenctl(t, env, append(strings.Fields(line), "-o", format)...)
				if r.code > 1 {
					t.Fatalf("-o %s: exit %d\n%s", format, r.code, r.stderr)
				}
				var value any
				if err := decode([]byte(r.stdout), &value); err != nil {
					t.Fatalf("-o %s: %v\n%s", format, err, r.stdout)
				}
				object, _ := value.(map[string]any)
				for _, f := range fields {
					if _, ok := object[f]; !ok {
						t.Errorf("-o %s has no field %s:\n%s", format, f, r.stdout)
					}
				}
			}
		})
	}
}

// --dry-run on everything that writes: nothing in Redis or PostgreSQL differs after it.
func TestDryRunsChangeNothing(t *testing.T) {
	t.Parallel()
	env, db, r := migrated(t)
	before := photograph(t, db, r)
	for _, line := range []string{
		"migrate-state --dry-run", "campaign resolve-paused --dry-run", "breaker open --reason try --dry-run",
		"breaker close --reason try --dry-run", "reconcile --dry-run", "queue pause --reason try --dry-run", "queue retry --failed-since 1000h --all --dry-run",
		"migrate up --dry-run", "migrate down --dry-run", "migrate down --all --dry-run",
	} {
		must(t, env, 0, strings.Fields(line)...)
		if diff := cmp.Diff(before, photograph(t, db, r)); diff != "" {
			t.Fatalf("%s changed something:\n%s", line, diff)
		}
	}
}

// Wrong usage is exit code 2, one message, nothing on stdout, and changes nothing.
func TestWrongUsage(t *testing.T) {
	t.Parallel()
	env, db, r := migrated(t)
	before := photograph(t, db, r)
	for line, says := range map[string]string{
		"frobnicate":                              "frobnicate",
		"breaker frobnicate":                      "frobnicate",
		"breaker status extra":                    "breaker status",
		"breaker status --frobnicate":             "frobnicate",
		"breaker status -o xml":                   "xml",
		"breaker status --timeout 0s":             "timeout",
		"breaker status --timeout soon":           "soon",
		"breaker status --context nowhere":        "nowhere",
		"breaker status --config /nowhere.yaml":   "/nowhere.yaml",
		"breaker open":                            "reason",
		"breaker history --since yesterday-ish":   "yesterday-ish",
		"migrate-state --yes --half-open=ajar":    "ajar",
		"migrate-state --yes --prefer=both":       "both",
		"migrate-state --yes --malformed=maybe":   "maybe",
		"migrate-state --rollback nosuch --yes":   "nosuch",
		"campaign resolve-paused --yes --to GONE": "GONE",
		"migrate up --yes --to nowhere":           "nowhere",
		"migrate down":                            "--yes",
		"check-consistency --fail-on=sometimes":   "sometimes",
		"check-consistency --only NOSUCH":         "NOSUCH",
		"check-consistency explain NOSUCH":        "NOSUCH",
		"queue inspect one":                       "one",
		"queue retry --failed-since soon --yes":   "soon",
		"queue pause":                             "reason",
		"snapshot show nosuch":                    "nosuch",
	} {
		t.Run(line, func(t *testing.T) {
			got := leadgenctl(t, env, strings.Fields(line)...)
			checkError(t, got, 2, says)
			if diff := cmp.Diff(before, photograph(t, db, r)); diff != "" {
				t.Errorf("something changed:\n%s", diff)
			}
		})
	}
}

// photograph is every row of the app's and our tables, and every key with its value.
func photograph(t *testing.T, db *testenv.Database, r *testenv.RedisDB) []string {
	t.Helper()
	ctx := context.Background()
	rows, err := db.Pool.Query(ctx, `SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
		WHERE schemaname IN ('public', 'leadgenctl') ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, table := range tables {
		var sum string
		if err := db.Pool.QueryRow(ctx, "SELECT count(*) || ' ' || coalesce(md5(string_agg(x::text, '' ORDER BY x::text)), '') FROM "+table+" x").Scan(&sum); err != nil {
			t.Fatal(err)
		}
		all = append(all, table+": "+sum)
	}
	keys := r.Client.Keys(ctx, "*").Val()
	slices.Sort(keys)
	for _, k := range keys {
		dump, err := r.Client.Dump(ctx, k).Result()
		if err == redis.Nil {
			continue // its time had come between the two calls
		}
		if strings.HasPrefix(k, "circuit_success:") || strings.HasPrefix(k, "circuit_failures:") {
			continue // they expire by themselves within the test
		}
		all = append(all, fmt.Sprintf("%s: %x", k, dump))
	}
	return all
}

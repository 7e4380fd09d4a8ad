package migratestatecmd_test

import (
	"strings"
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

func TestSnapshotsInPostgresOnTheCommandLine(t *testing.T) {
	t.Parallel()
	db, pg := testenv.NewRedis(t), testenv.NewDatabase(t)
	u := newUser(t, db.Client, db.URL)
	u.Platform(base())
	before := u.dumps(testenv.PlatformKeys...)
	u.args = []string{"--database-url", pg.URL}
	if o := u.run("migrate-state", "--yes", "--snapshot-store=postgres"); o.code != 3 || !strings.Contains(o.errOut, "migrate up --to base") {
		t.Errorf("without the schema: exit %d: %s", o.code, o.errOut)
	}
	u.same("without the schema", before, u.dumps(testenv.PlatformKeys...))
	u.must("migrate", "up", "--to", "base", "--yes")
	r := u.must("migrate-state", "--yes", "--snapshot-store=postgres", "-o", "json").decode(t)
	if r.Snapshot == nil {
		t.Fatalf("got %+v", r)
	}
	if o := u.must("snapshot", "list", "--snapshot-store=postgres"); !strings.Contains(o.out, *r.Snapshot) {
		t.Errorf("not listed: %s", o.out)
	}
	u.must("migrate-state", "--rollback", "latest", "--snapshot-store=postgres", "--yes")
	u.same("rolled back", before, u.dumps(testenv.PlatformKeys...))
}

package consistency_test

import (
	"context"
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
)

// Whatever --fix mends is not found afterwards, is logged, and breaks nothing else.
func TestFixMendsWhatItPromises(t *testing.T) {
	t.Parallel()
	mended := map[string]bool{}
	for _, f := range faults {
		if c := consistency.Find(f.id); !c.Fixable() || mended[f.id] && f.id != "LGB006" {
			continue
		}
		mended[f.id] = true
		t.Run(f.id+" "+f.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			f.make(h)
			n, err := consistency.Fix(context.Background(), consistency.FixOptions{Options: h.options(), Manager: h.manager, Actor: "ann@host",
				Zombies: consistency.ZombiesFail}, f.id)
			if err != nil || n == 0 {
				t.Fatalf("%d, %v", n, err)
			}
			h.worker() // what was given a new task waits in the queue
			if got := find(h.run(), f.id); got.Status != consistency.Pass {
				t.Errorf("after the fix: %+v", got)
			}
			if err := h.db.Expect(`SELECT count(*) = 1 FROM leadgenctl.operations WHERE actor = 'ann@host' AND operation = $1`, "fix "+f.id); err != nil {
				t.Error(err)
			}
			if f.id == "LGB003" {
				if err := h.db.Expect(`SELECT count(*) = 1 FROM leadgenctl.operations AS o JOIN leadgenctl.snapshots AS s ON s.id = o.snapshot_id WHERE s.kind = 'fix'`); err != nil {
					t.Errorf("the key as it was is not kept: %v", err)
				}
			}
			if n, err := consistency.Fix(context.Background(), consistency.FixOptions{Options: h.options(), Manager: h.manager, Actor: "ann@host",
				Zombies: consistency.ZombiesFail}, f.id); err != nil || n != 0 {
				t.Errorf("a second fix: %d, %v", n, err)
			}
		})
	}
}

// A look remembers ten thousand rows; a fix goes on until none is left.
func TestFixMendsMoreThanALookRemembers(t *testing.T) {
	t.Parallel()
	for id, sql := range map[string]string{
		"LGQ012": `INSERT INTO jobs (task_id, name, status, campaign_id) SELECT gen_random_uuid(), 'n', 'COMPLETED', $1 FROM generate_series(1, 10001)`,
		"LGQ005": `INSERT INTO jobs (name, status, campaign_id, created_at) SELECT 'n', 'PENDING', $1, now() - interval '1 hour' FROM generate_series(1, 10001)`,
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.exec(sql, h.fixture.CampaignID)
			told := int64(0)
			n, err := consistency.Fix(context.Background(), consistency.FixOptions{Options: h.options(), Manager: h.manager, Actor: "ann@host",
				Mended: func(n int64) { told += n }}, id)
			if err != nil || n != 10001 || told != n {
				t.Errorf("%d mended, %d told, %v", n, told, err)
			}
			if got := find(h.run(func(o *consistency.Options) { o.Only = []string{id} }), id); got.Status != consistency.Pass {
				t.Errorf("after the fix: %+v", got)
			}
		})
	}
}

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
				if err := h.db.Expect(`SELECT detail->>'value' LIKE '{%' AND (detail->>'ttl_ms')::bigint BETWEEN 1 AND 86400000 FROM leadgenctl.operations`); err != nil {
					t.Errorf("the key as it was is not in the log: %v", err)
				}
			}
			if n, err := consistency.Fix(context.Background(), consistency.FixOptions{Options: h.options(), Manager: h.manager, Actor: "ann@host",
				Zombies: consistency.ZombiesFail}, f.id); err != nil || n != 0 {
				t.Errorf("a second fix: %d, %v", n, err)
			}
		})
	}
}

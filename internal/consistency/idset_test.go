package consistency

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// The set does what a map of ids does, whatever the ids are.
func TestIDSet(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	draw := []func() int64{
		func() int64 { return random.Int64N(2000) },
		func() int64 { return random.Int64N(1 << 40) },
		func() int64 { return random.Int64() - 1<<62 },
	}
	var sets [2]idSet
	want := [2]map[int64]bool{{}, {}}
	for n := range 9000 {
		id, which := draw[n%len(draw)](), n/7%2
		if added := sets[which].add(id); added == want[which][id] {
			t.Fatalf("%d: added %v", id, added)
		}
		want[which][id] = true
	}
	got := slices.Collect(sets[0].without(&sets[1]))
	maps.DeleteFunc(want[0], func(id int64, _ bool) bool { return want[1][id] })
	if !slices.Equal(got, slices.Sorted(maps.Keys(want[0]))) {
		t.Errorf("%d ids, want %d", len(got), len(want[0]))
	}
	for id := range sets[1].without(&idSet{}) {
		if !want[1][id] {
			t.Errorf("%d was never added", id)
		}
		break // ends the walk
	}
}

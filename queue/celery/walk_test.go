package celery

import (
	"context"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"testing"
)

// moving is a list that changes between two reads, as the queues do: new messages come in
// at the head, workers take from the tail, and others take from the middle.
type moving struct {
	list            []string
	random          *rand.Rand
	pushed          int
	in, out, middle int // at most, between two reads
}

func (m *moving) read(_ context.Context, _ string, first, last int64) ([]string, error) {
	n := int64(len(m.list))
	part := slices.Clone(m.list[min(first, n):min(last+1, n)])
	for range m.random.IntN(m.in + 1) {
		m.pushed++
		m.list = slices.Insert(m.list, 0, fmt.Sprint("new ", m.pushed))
	}
	m.list = m.list[:len(m.list)-m.random.IntN(min(m.out, len(m.list))+1)]
	for range m.random.IntN(m.middle + 1) {
		if len(m.list) > 0 {
			i := m.random.IntN(len(m.list))
			m.list = slices.Delete(m.list, i, i+1)
		}
	}
	return part, nil
}

// What lies on a list for as long as a walk takes is met once, copies too, whatever
// comes and goes meanwhile.
func TestAWalkMeetsEachMessageOnce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 1))
		m := &moving{random: random, in: []int{0, 3, 50, 700}[seed%4], out: []int{0, 20, 300}[seed%3], middle: []int{0, 0, 5}[seed/3%3]}
		for i := range 8000 {
			m.list = append(m.list, fmt.Sprint("old ", i))
			if i%500 == 0 {
				m.list = append(m.list, fmt.Sprint("old ", i)) // a copy
			}
		}
		met := map[string]int{}
		w := walk{read: m.read, seed: maphash.MakeSeed()}
		for {
			raws, err := w.next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(raws) == 0 {
				break
			}
			gone := []int{}
			for i, raw := range raws {
				if met[raw]++; random.IntN(40) == 0 {
					if at := slices.Index(m.list, raw); at >= 0 { // taken out by the walk itself
						m.list = slices.Delete(m.list, at, at+1)
						gone = append(gone, i)
					}
				}
			}
			w.passed(raws, gone)
		}
		left := map[string]int{}
		for _, raw := range m.list {
			left[raw]++
		}
		for raw, n := range met {
			if n > 2 || n > 1 && !copied(raw) {
				t.Errorf("seed %d: %s was met %d times", seed, raw, n)
			}
			delete(left, raw)
		}
		for raw := range left {
			if raw[:3] == "old" {
				t.Errorf("seed %d: %s was not met", seed, raw)
			}
		}
	}
}

func copied(raw string) bool {
	var i int
	n, _ := fmt.Sscanf(raw, "old %d", &i)
	return n == 1 && i%500 == 0
}

package celery

import (
	"hash/maphash"
	"math"
	"slices"
)

// order remembers in which order messages lay on the lists: they move towards the tail, in
// order, so that what lay nearer to it than a message that is there now, and is not between
// the two, is gone. Only what kombu puts back is in no order, and marked as redelivered; it
// may count as gone, to a worker: then its job keeps it. 8 bytes a message.
type order struct {
	seed  maphash.Seed
	lists map[string]*listOrder
}

// listOrder is one list: ranks, 0 at the tail, behind the upper bits of a hash of the
// task id. It is sorted.
type listOrder struct{ keys []uint64 }

const (
	rankBits = 24
	rankMask = 1<<rankBits - 1
	// orderedAtMost bounds what is remembered; longer lists are read without help.
	orderedAtMost = 2_000_000
	// unranked is the rank of a message that was not seen, or whose task was seen twice.
	unranked = math.MaxInt
)

func newOrder() *order {
	return &order{seed: maphash.MakeSeed(), lists: map[string]*listOrder{}}
}

// add notes the next message of a list, from the head on.
func (o *order) add(list, taskID string) {
	l := o.lists[list]
	if l == nil {
		l = &listOrder{}
		o.lists[list] = l
	}
	if len(l.keys) <= orderedAtMost {
		l.keys = append(l.keys, o.hash(taskID)|uint64(len(l.keys)))
	}
}

func (o *order) hash(taskID string) uint64 { return maphash.String(o.seed, taskID) &^ rankMask }

// finish makes the order ready for use.
func (o *order) finish() {
	for _, l := range o.lists {
		if len(l.keys) > orderedAtMost {
			l.keys = nil
		}
		last := uint64(len(l.keys)) - 1
		for i, k := range l.keys {
			l.keys[i] = k&^rankMask | (last - uint64(i)) // counted from the tail
		}
		slices.Sort(l.keys)
	}
}

// known says whether a message has a rank on any list.
func (o *order) known(taskID string) bool {
	if o == nil {
		return false
	}
	for list := range o.lists {
		if o.rank(list, taskID) != unranked {
			return true
		}
	}
	return false
}

// rank says how many messages lay between this one and the tail.
func (o *order) rank(list, taskID string) int {
	if o == nil || o.lists[list] == nil {
		return unranked
	}
	keys, hash := o.lists[list].keys, o.hash(taskID)
	i, _ := slices.BinarySearch(keys, hash)
	if i == len(keys) || keys[i]&^rankMask != hash || (i+1 < len(keys) && keys[i+1]&^rankMask == hash) {
		return unranked
	}
	return int(keys[i] & rankMask)
}

package celery

import (
	"context"
	"fmt"
	"hash/maphash"
)

const (
	// readAtOnce is how many messages one read of a list returns.
	readAtOnce = 1000
	// again is how many messages before its place a walk reads again, to know it.
	again = 16
	// searched is how many reads to either side a walk looks for a place that it has lost.
	searched = 20
)

type (
	// reading reads a part of a list.
	reading func(ctx context.Context, list string, first, last int64) ([]string, error)
	// visit takes some messages, of which the first lies at an index, and says which of them it took out.
	visit func(list string, first int64, raws []string) (gone []int, err error)
)

// eachQueued calls fn with every message of the lists, from the head on.
func (r *Redis) eachQueued(ctx context.Context, fn visit) error {
	return r.eachRead(ctx, func(ctx context.Context, list string, first, last int64) ([]string, error) {
		return r.client.LRange(ctx, list, first, last).Result()
	}, fn)
}

// eachRead is eachQueued with a way to read.
func (r *Redis) eachRead(ctx context.Context, read reading, fn visit) error {
	for _, l := range r.lists() {
		w := walk{list: l, read: read, seed: maphash.MakeSeed()}
		for {
			raws, err := w.next(ctx)
			if err != nil {
				return fmt.Errorf("read the list %s: %w", l, err)
			}
			if len(raws) == 0 {
				break
			}
			first := w.at
			gone, err := fn(l, first, raws)
			if err != nil {
				return err
			}
			w.passed(raws, gone)
		}
	}
	return nil
}

// walk goes over a list from the head on while new messages come in there and others are
// taken out: it knows its place by the messages before it. Where all of those are gone it
// goes on by the count, and may meet messages a second time.
type walk struct {
	list    string
	read    reading
	seed    maphash.Seed
	at      int64    // the index of the next message
	anchors []uint64 // hashes of the messages before it, as many as one read returns
}

// next returns the messages that come next, the first of them at w.at; none at the end.
func (w *walk) next(ctx context.Context) ([]string, error) {
	from := max(0, w.at-int64(min(again, len(w.anchors))))
	for {
		raws, err := w.read(ctx, w.list, from, from+readAtOnce-1)
		if err != nil || len(w.anchors) == 0 {
			return raws, err
		}
		place, known := w.place(raws)
		if !known {
			return w.search(ctx, from)
		}
		w.at = from + int64(place)
		if place < len(raws) || len(raws) < readAtOnce {
			return raws[place:], nil
		}
		from = w.at - 1 // the anchor was the last one that was read
	}
}

// search looks for the place before and behind where it was, ever farther away.
func (w *walk) search(ctx context.Context, around int64) ([]string, error) {
	before, behind := around, around+readAtOnce
	for range searched {
		for _, from := range []*int64{&before, &behind} {
			step := int64(readAtOnce)
			if from == &before {
				step = -step
				if *from == 0 {
					continue
				}
				*from = max(0, *from+step)
			}
			raws, err := w.read(ctx, w.list, *from, *from+readAtOnce-1)
			if err != nil {
				return nil, err
			}
			if place, known := w.place(raws); known {
				w.at = *from + int64(place)
				return w.next(ctx)
			}
			if from == &behind {
				*from += step
			}
		}
	}
	w.anchors = nil
	return w.read(ctx, w.list, w.at, w.at+readAtOnce-1)
}

// place finds what comes behind the last message before the walk's place that is still there.
func (w *walk) place(raws []string) (int, bool) {
	last := len(w.anchors) - 1
	if n := min(again, len(w.anchors)); n <= len(raws) && w.hash(raws[n-1]) == w.anchors[last] {
		return n, true // nothing has moved
	}
	at := make(map[uint64]int, len(raws))
	for i := len(raws) - 1; i >= 0; i-- {
		at[w.hash(raws[i])] = i
	}
	for i := last; i >= 0; i-- {
		if found, ok := at[w.anchors[i]]; ok {
			return found + 1, true
		}
	}
	return 0, false
}

// passed notes that the walk has gone over messages, and which of them are gone.
func (w *walk) passed(raws []string, gone []int) {
	w.at += int64(len(raws) - len(gone))
	taken := make(map[int]bool, len(gone))
	for _, i := range gone {
		taken[i] = true
	}
	for i, raw := range raws {
		if !taken[i] {
			w.anchors = append(w.anchors, w.hash(raw))
		}
	}
	if n := len(w.anchors) - readAtOnce; n > 0 {
		w.anchors = append(w.anchors[:0], w.anchors[n:]...)
	}
}

func (w *walk) hash(raw string) uint64 { return maphash.String(w.seed, raw) }

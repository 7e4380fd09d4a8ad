package celery

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/leadgenctl/leadgenctl/queue"
)

// search looks for messages that are to be exchanged, as many as are wanted of each.
type search struct {
	found   map[queue.Message][]oldJSON
	missing map[queue.Message]int
	order   *order
	decoder decoder
}

// target is a message that is looked for on one list.
type target struct {
	message queue.Message
	rank    int // where it lay; unranked where that is not known
}

// span is what one read of a list tells of all messages whose rank is in it.
type span struct {
	min, max int
	whole    bool // the head of the list was reached
}

// locate finds messages: queued ones on the lists, which it reads from the tail, where the
// oldest are, and abandoned ones among the reserved. One that was queued and is reserved
// by now is with a worker that lives, and not found.
func (r *Redis) locate(ctx context.Context, wanted map[queue.Message]int) (map[queue.Message][]oldJSON, error) {
	s := &search{found: map[queue.Message][]oldJSON{}, missing: maps.Clone(wanted), order: r.order.Load()}
	if err := r.locateAbandoned(ctx, s); err != nil {
		return nil, err
	}
	for _, l := range r.lists() {
		if err := r.locateOn(ctx, l, s); err != nil {
			return nil, err
		}
	}
	return s.found, nil
}

// hit notes a message. What moves is met again: then it is where it was met last.
func (s *search) hit(m queue.Message, old oldJSON) {
	known := func(o oldJSON) bool { return o.List == old.List && o.Raw == old.Raw && o.Tag == old.Tag }
	if i := slices.IndexFunc(s.found[m], known); i >= 0 {
		s.found[m][i] = old
		return
	}
	s.found[m] = append(s.found[m], old)
	if s.missing[m]--; s.missing[m] == 0 {
		delete(s.missing, m)
	}
}

const (
	// overlap is how many messages are read again, since workers take some meanwhile.
	overlap = 100
	// stepsBack is how often what moved past a read is read for again.
	stepsBack = 20
)

// locateOn reads a list from the tail on until each message is found, or known to be gone.
// What lay far from the tail is looked for first where it must be about now.
func (r *Redis) locateOn(ctx context.Context, list string, s *search) error {
	targets := s.targets(list)
	if len(targets) == 0 {
		return nil
	}
	got, err := r.readSpan(ctx, list, 0, s)
	if err != nil {
		return err
	}
	if targets, err = r.probe(ctx, list, got, s.left(targets, got), s); err != nil {
		return err
	}
	// What lay on another list can be here only where kombu puts messages back.
	targets = slices.DeleteFunc(targets, func(t target) bool { return t.rank == unranked && s.order.known(t.message.TaskID) })
	for from, back := 0, 0; len(targets) > 0; {
		switch passed := got.max >= 0 && targets[0].rank < got.min; {
		case passed && back < stepsBack:
			from, back = max(0, from-readAtOnce), back+1
		case got.whole:
			return nil
		default:
			from += readAtOnce - overlap
		}
		if got, err = r.readSpan(ctx, list, from, s); err != nil {
			return err
		}
		targets = s.left(targets, got)
	}
	return nil
}

// probe reads where messages must be that lay far from the tail: nearer than they lay, by
// what was taken from between. It reads no more than a walk to the farthest would.
func (r *Redis) probe(ctx context.Context, list string, tail span, targets []target, s *search) ([]target, error) {
	left := 0
	for _, t := range targets {
		if t.rank != unranked {
			left = t.rank / (readAtOnce - overlap)
		}
	}
	for _, t := range slices.Clone(targets) {
		away := t.rank - tail.max // from the end of what was read there
		if t.rank == unranked || away < 2*readAtOnce || !slices.Contains(targets, t) {
			continue
		}
		if left--; left < 0 {
			break
		}
		got, err := r.readSpan(ctx, list, away+readAtOnce/2, s)
		if err != nil {
			return nil, err
		}
		targets = s.left(targets, got)
	}
	return targets, nil
}

func (s *search) targets(list string) []target {
	var out []target
	for m := range s.missing {
		out = append(out, target{m, s.order.rank(list, m.TaskID)})
	}
	slices.SortFunc(out, func(a, b target) int { return cmp.Compare(a.rank, b.rank) })
	return out
}

// left are the targets that a read has not settled: those in the span that were not
// found are gone.
func (s *search) left(targets []target, got span) []target {
	return slices.DeleteFunc(targets, func(t target) bool {
		return s.missing[t.message] == 0 || (got.min <= t.rank && t.rank <= got.max && t.rank != unranked)
	})
}

// redelivered is what kombu marks messages with that it puts back (transport/redis.py,
// Channel._do_restore_message).
const redelivered = `"redelivered": true`

// readSpan reads part of a list, from that many messages before the tail on.
func (r *Redis) readSpan(ctx context.Context, list string, from int, s *search) (span, error) {
	raws, err := r.client.LRange(ctx, list, int64(-from-readAtOnce), int64(-from-1)).Result()
	if err != nil {
		return span{}, fmt.Errorf("read the list %s: %w", list, err)
	}
	got := span{min: unranked, max: -1, whole: len(raws) < readAtOnce}
	for i, raw := range raws {
		m, _ := s.decoder.decode(raw)
		key := queue.Message{TaskID: m.TaskID}
		if s.missing[key] > 0 {
			s.hit(key, oldJSON{List: list, Raw: raw, At: i - len(raws) - from})
		}
		if rank := s.order.rank(list, m.TaskID); rank != unranked && !strings.Contains(raw, redelivered) {
			got.min, got.max = min(got.min, rank), max(got.max, rank)
		}
	}
	if from == 0 {
		got.min = 0
	}
	return got, nil
}

// locateAbandoned looks for abandoned messages that are still reserved, and takes those
// that are not off the missing ones: they have moved on.
func (r *Redis) locateAbandoned(ctx context.Context, s *search) error {
	abandoned := func(m queue.Message) bool { return m.Abandoned }
	if !slices.ContainsFunc(slices.Collect(maps.Keys(s.missing)), abandoned) {
		return nil
	}
	err := r.eachReserved(ctx, func(tag, raw string) error {
		m, _ := decode(raw)
		if key := (queue.Message{TaskID: m.TaskID, Abandoned: true}); s.missing[key] > 0 {
			s.hit(key, oldJSON{Tag: tag})
		}
		return nil
	})
	maps.DeleteFunc(s.missing, func(m queue.Message, _ int) bool { return abandoned(m) })
	return err
}

package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// readAttempts bounds how often a key that changes while it is read is read again.
const readAttempts = 20

// reads are the answers for one key. The value is believed only where the DUMP
// before it and the one after it are the same: that needs no right to run scripts
// or transactions, and works over any number of Cluster nodes in one round trip.
type reads struct {
	before, after *redis.StringCmd
	kind          *redis.StatusCmd
	ttl           *redis.DurationCmd
	value         *redis.StringCmd
	members       *redis.ZSliceCmd
}

func queueReads(ctx context.Context, p redis.Pipeliner, name string) reads {
	return reads{before: p.Dump(ctx, name), kind: p.Type(ctx, name), ttl: p.PTTL(ctx, name), value: p.Get(ctx, name),
		members: p.ZRangeWithScores(ctx, name, 0, -1), after: p.Dump(ctx, name)}
}

// readKeys reads keys by name, in one round trip unless one of them is being
// written meanwhile. Absent keys are left out. Names must have a family.
func readKeys(ctx context.Context, client redis.UniversalClient, names []string) ([]*OldKey, error) {
	found := make(map[string]*OldKey)
	todo := names
	for attempt := 0; len(todo) > 0; attempt++ {
		if attempt == readAttempts {
			return nil, fmt.Errorf("read the old key %q: it changes all the time", todo[0])
		}
		keys, again, err := readOnce(ctx, client, todo)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			found[k.Name] = k
		}
		todo = again
	}
	var keys []*OldKey
	for _, name := range names {
		if k := found[name]; k != nil {
			keys = append(keys, k)
			delete(found, name) // a name given twice counts once
		}
	}
	return keys, nil
}

func readOnce(ctx context.Context, client redis.UniversalClient, names []string) (keys []*OldKey, again []string, err error) {
	answers := make([]reads, len(names))
	var clock *redis.TimeCmd
	// The pipeline's own error is the first of its commands': those are looked at one by one.
	_, _ = client.Pipelined(ctx, func(p redis.Pipeliner) error {
		clock = p.Time(ctx)
		for i, name := range names {
			answers[i] = queueReads(ctx, p, name)
		}
		return nil
	})
	now, err := clock.Result()
	if err != nil && !redis.HasErrorPrefix(err, "NOPERM") {
		return nil, nil, fmt.Errorf("read the server's clock: %w", err)
	} else if err != nil {
		now = time.Now()
	}
	for i, r := range answers {
		k, stable, err := r.key(names[i], now.UTC())
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("read the old key %q: %w", names[i], err)
		case !stable:
			again = append(again, names[i])
		case k != nil:
			keys = append(keys, k)
		}
	}
	return keys, again, nil
}

// key puts the answers together: nil for an absent key, not stable for one that
// was written between them.
func (r reads) key(name string, now time.Time) (k *OldKey, stable bool, err error) {
	for _, e := range []error{r.before.Err(), r.kind.Err(), r.ttl.Err(), r.value.Err(), r.members.Err(), r.after.Err()} {
		if e != nil && !errors.Is(e, redis.Nil) && !redis.HasErrorPrefix(e, "WRONGTYPE") {
			return nil, false, e
		}
	}
	before, after := []byte(r.before.Val()), []byte(r.after.Val())
	switch {
	case !bytes.Equal(before, after):
		return nil, false, nil
	case len(after) == 0:
		return nil, true, nil
	}
	f, service, _ := splitName(name)
	k = &OldKey{Name: name, Family: f, Service: service, Type: r.kind.Val(), TTL: r.ttl.Val(), ReadAt: now,
		Dump: after, Raw: []byte(r.value.Val())}
	if k.TTL < 0 { // -1: no time to live; -2 cannot be, the key was there before and after
		k.TTL = NoExpiry
	}
	for _, z := range r.members.Val() {
		member, _ := z.Member.(string)
		k.Members = append(k.Members, Member{Score: z.Score, Name: member})
	}
	k.decode()
	return k, true, nil
}

// namesOf lists the keys that the services may have.
func namesOf(services []string) []string {
	var names []string
	for _, s := range services {
		for _, f := range Families {
			names = append(names, f.Key(s))
		}
	}
	return names
}

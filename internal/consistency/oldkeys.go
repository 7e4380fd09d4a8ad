package consistency

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/migrate/state"
)

// oldKey is a key of the old per-service format that is there.
type oldKey struct {
	name string
	says string        // its state in a word
	open bool          // it says that the service's work stands, or it cannot be read
	life time.Duration // what is left of it; negative for no end
}

// oldKeys are those that were found.
type oldKeys struct {
	keys []oldKey
	note string // what was not looked at
}

// readOldKeys looks which further services have keys, and reads those of all, in one
// round trip.
func (l *look) readOldKeys() (oldKeys, error) {
	if l.options.RedisErr != nil {
		return oldKeys{}, l.options.RedisErr
	}
	ctx, cancel := context.WithTimeout(l.ctx, l.options.Timeout)
	defer cancel()
	var o oldKeys
	further, whole, err := state.Services(ctx, l.options.Redis, l.options.Services, l.options.Walk)
	switch {
	case err != nil && !strings.Contains(err.Error(), "NOPERM"):
		return oldKeys{}, err
	case err != nil || !whole:
		o.note = "not all names could be looked at within " + l.options.Walk.String() + ": services that are not configured may have keys too"
	}
	o.keys, err = l.keysOf(ctx, slices.Concat(l.options.Services, further))
	return o, err
}

// keysOf reads the old keys of some services.
func (l *look) keysOf(ctx context.Context, services []string) ([]oldKey, error) {
	type answers struct {
		family  state.Family
		service string
		kind    *redis.StatusCmd
		life    *redis.DurationCmd
		value   *redis.StringCmd
	}
	var asked []answers
	// The pipeline's own error is the first of its commands': those are looked at one by one.
	_, _ = l.options.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, s := range services {
			for _, f := range state.Families {
				k := f.Key(s)
				asked = append(asked, answers{f, s, p.Type(ctx, k), p.PTTL(ctx, k), p.Get(ctx, k)})
			}
		}
		return nil
	})
	var found []oldKey
	for _, a := range asked {
		kind, err := a.kind.Result()
		if err != nil {
			return nil, fmt.Errorf("read the old key %s: %w", a.family.Key(a.service), err)
		}
		if kind == "none" {
			continue
		}
		k := oldKey{name: a.family.Key(a.service), life: a.life.Val()}
		k.says, k.open = judge(a.family, a.service, kind, a.value.Val())
		found = append(found, k)
	}
	return found, nil
}

// judge says what an old key says, and whether that stands against a closed breaker.
func judge(f state.Family, service, kind, value string) (says string, open bool) {
	switch {
	case f == state.Failures && kind == "zset":
		return "recent failures", false
	case kind != "string" || f == state.Failures:
		return "malformed: a " + kind, true
	case f == state.Circuit:
		c, err := state.DecodeCircuit([]byte(value))
		if err != nil {
			return "malformed", true
		}
		return c.State, c.State != string(breaker.Closed)
	case f == state.Pause:
		if _, err := state.DecodePause([]byte(value), service); err != nil {
			return "malformed", true
		}
		return "paused", true
	default:
		if _, err := strconv.ParseInt(value, 10, 64); err != nil {
			return "malformed", true
		}
		return value + " successes", false
	}
}

func (k oldKey) String() string {
	if k.life < 0 {
		return fmt.Sprintf("%s: %s, never expires", k.name, k.says)
	}
	return fmt.Sprintf("%s: %s, expires in %s", k.name, k.says, k.life.Round(time.Second))
}

func oldKeysLeft(_ context.Context, l *look, _ *Check) (outcome, error) {
	old, err := l.oldKeysOnce()
	if err != nil {
		return outcome{}, err
	}
	var samples []string
	for _, k := range old.keys {
		samples = append(samples, k.String())
	}
	o := many(l, samples)
	o.note = old.note
	return o, nil
}

func oldKeysDisagree(_ context.Context, l *look, _ *Check) (outcome, error) {
	st, err := l.breakerOnce()
	if err != nil || st.State == breaker.Open {
		return outcome{}, err
	}
	old, err := l.oldKeysOnce()
	if err != nil {
		return outcome{}, err
	}
	o := outcome{note: old.note}
	for _, k := range old.keys {
		if !k.open {
			continue
		}
		o.count++
		o.subjects = append(o.subjects, k.name)
		if len(o.samples) < l.options.MaxSamples {
			o.samples = append(o.samples, fmt.Sprintf("%s: %s; the global breaker is closed", k.name, k.says))
		}
	}
	return o, nil
}

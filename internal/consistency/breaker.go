package consistency

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
)

func breakerChecks() []*Check {
	return []*Check{
		{
			ID: "LGB001", Family: Breaker, Severity: Error, Title: "The global breaker's key is missing",
			Meaning: "Redis has no circuit_breaker:global. The app takes that for closed: if the breaker was open, its work goes on against a service that fails.",
			Remedy:  "Run `leadgenctl migrate-state --dry-run`, then `leadgenctl migrate-state`, if this platform has not been migrated. Otherwise run `leadgenctl reconcile`: it puts back what PostgreSQL remembers. Then find out who deleted the key (FLUSHDB, a clean-up by pattern, a fail-over).",
			Reads:   "GET circuit_breaker:global", needs: redisServer, inspect: keyMissing,
		},
		{
			ID: "LGB002", Family: Breaker, Severity: Error, Title: "The global breaker's key does not hold a breaker",
			Meaning: "The app and leadgenctl cannot read circuit_breaker:global: wrong Redis type, not JSON, or a state other than open and closed. Workers fail, or run as if it were closed.",
			Remedy:  "Look at it: `redis-cli GET circuit_breaker:global`. Decide whether services work, then replace it: `leadgenctl breaker open --reason R --replace-malformed`, or `close` in place of `open`. A key of the wrong Redis type (the one that is named here) must be out of the way before: `redis-cli RENAME circuit_breaker:global circuit_breaker:global:set-aside`. Find out which program wrote it.",
			Reads:   "GET circuit_breaker:global; HGETALL {circuit_breaker:global}:ledger", needs: redisServer, inspect: keyMalformed,
		},
		{
			ID: "LGB003", Family: Breaker, Severity: Error, Title: "The global breaker's key will expire",
			Meaning: "A worker wrote the key with a time to live (SETEX). When it runs out an open breaker closes unseen.",
			Remedy:  "Run `leadgenctl reconcile`: it removes the time to live. The app's workers write it again at the next failure, so run it from cron.",
			Reads:   "PTTL circuit_breaker:global", needs: redisServer, inspect: keyExpires,
			fix: removeTTL,
		},
		{
			ID: "LGB004", Family: Breaker, Severity: Warning, Title: "Keys of the old per-service breakers are left",
			Meaning: "Old workers still run and write them, or the old keys were never carried over. The new code does not look at them. " +
				"Services beyond the configured ones are found by a walk over the names in Redis that ends after a second: with millions of keys the message says that it did not come to the end; `leadgenctl migrate-state --dry-run` walks over all.",
			Remedy: "Run `leadgenctl migrate-state --dry-run` to see them, then `leadgenctl migrate-state`; during a rolling deploy `leadgenctl migrate-state --follow`. A service that is not configured is carried only when it is named: `--service hubspot`. If they come back, an old worker is still running: restart it.",
			Reads:  "SCAN, for a second at most; TYPE, PTTL and the value of circuit_breaker:S, circuit_failures:S, circuit_success:S, queue_paused:S for each service S", needs: redisServer, inspect: oldKeysLeft,
		},
		{
			ID: "LGB005", Family: Breaker, Severity: Error, Title: "Old breaker keys disagree with the global state",
			Meaning: "An old key says that a service is open, half open or paused, or cannot be read, while the global breaker is closed: old and new workers act differently.",
			Remedy:  "Run `leadgenctl migrate-state --dry-run`; it shows both values. Carry the old state over with `leadgenctl migrate-state --prefer=old` (opens the breaker), or drop it with `--prefer=global` when you know that the service works.",
			Reads:   "the old keys, as LGB004, and GET circuit_breaker:global", needs: redisServer, twice: true, inspect: oldKeysDisagree,
		},
		{
			ID: "LGB006", Family: Breaker, Severity: Error, Title: "Redis has lost the breaker's state",
			Meaning: "PostgreSQL, or the breaker's own ledger, knows a later state than Redis shows: Redis was emptied, restored from an old copy, or failed over to a replica that lagged. If the breaker was open, workers now call services that fail.",
			Remedy:  "Run `leadgenctl reconcile` at once: it puts the state back. Then look for the cause in the Redis log.",
			Reads:   "GET circuit_breaker:global; HGETALL {circuit_breaker:global}:ledger; " + lastTransitionSQL, needs: redisServer | postgres, twice: true, inspect: stateLost,
			fix: reconcileFix,
		},
		{
			ID: "LGB007", Family: Breaker, Severity: Warning, Title: "The breaker has been open for long",
			Meaning: "It has been open for longer than --max-open. Only a person closes it: it may have been forgotten, and every job waits.",
			Remedy:  "See why with `leadgenctl breaker status`. When the service works again: `leadgenctl breaker close --reason R`.",
			Reads:   "GET circuit_breaker:global", needs: redisServer, inspect: openLong,
		},
		{
			ID: "LGB008", Family: Breaker, Severity: Error, Title: "A transition of the breaker is half applied",
			Meaning: "The breaker was opened or closed in Redis, and PostgreSQL does not have it, or the jobs have not followed: the program was interrupted half-way.",
			Remedy:  "Run `leadgenctl reconcile`: it finishes what was begun. It is safe at any moment.",
			Reads:   "HGETALL {circuit_breaker:global}:ledger; " + lastTransitionSQL, needs: redisServer | postgres, twice: true, inspect: halfApplied,
			fix: reconcileFix,
		},
		{
			ID: "LGB009", Family: Breaker, Severity: Warning, Title: "A worker changed the breaker, and nobody has recorded it",
			Meaning: "The app wrote circuit_breaker:global itself. The state counts, but it has no epoch, is in no history, and will expire.",
			Remedy:  "Run `leadgenctl reconcile`: it records the transition, removes the time to live and lets the jobs follow. Run it from cron while old workers write the key.",
			Reads:   "GET circuit_breaker:global; HGETALL {circuit_breaker:global}:ledger", needs: redisServer, twice: true, inspect: unrecorded,
			fix: reconcileFix,
		},
		{
			ID: "LGB010", Family: Breaker, Severity: Warning, Title: "Redis may evict the breaker's key",
			Meaning: "maxmemory-policy lets Redis delete keys that have no time to live when memory is short. A deleted key is a closed breaker.",
			Remedy:  "Set `maxmemory-policy` to `noeviction` or to a `volatile-` policy: `redis-cli CONFIG SET maxmemory-policy noeviction`, and in redis.conf or at your provider.",
			Reads:   "INFO memory", needs: redisServer, inspect: evictable,
		},
		{
			ID: "LGB011", Family: Breaker, Severity: Warning, Title: "Redis does not keep the breaker over a restart",
			Meaning: "The server saves neither an append-only file nor snapshots, or its last save failed: after a restart the breaker is gone, which the app takes for closed.",
			Remedy:  "Turn persistence on: `redis-cli CONFIG SET appendonly yes`, and in redis.conf or at your provider. If a save failed, look for a full disk in the Redis log.",
			Reads:   "INFO persistence; CONFIG GET save", needs: redisServer, inspect: notPersisted,
		},
		{
			ID: "LGB012", Family: Breaker, Severity: Warning, Title: "The clocks differ",
			Meaning: "The clocks of Redis, PostgreSQL and this machine differ by more than --max-clock-difference: times in the history are wrong, and what is counted as old may not be.",
			Remedy:  "See whether NTP runs on the machine that is off: `timedatectl status`, `chronyc tracking`.",
			Reads:   "TIME of Redis; SELECT clock_timestamp()", needs: redisServer | postgres, inspect: clocksDiffer,
		},
	}
}

// readBreaker reads the breaker once for all checks of a look.
func (l *look) readBreaker() (breaker.Status, error) {
	if l.options.RedisErr != nil {
		return breaker.Status{}, l.options.RedisErr
	}
	b, err := breaker.New(l.options.Redis, breaker.Settings{})
	if err != nil {
		return breaker.Status{}, err
	}
	ctx, cancel := context.WithTimeout(l.ctx, l.options.Timeout)
	defer cancel()
	return b.State(ctx)
}

// malformed says whether a check could not run for want of a breaker that can be read.
func malformed(err error) bool {
	var m *breaker.MalformedError
	return errors.As(err, &m)
}

// toldByLGB002 skips a check that wants the breaker and cannot have it, where LGB002 says
// why. Where that was not asked for, it stays an error.
func toldByLGB002(inspect func(context.Context, *look, *Check) (outcome, error)) func(context.Context, *look, *Check) (outcome, error) {
	return func(ctx context.Context, l *look, c *Check) (outcome, error) {
		o, err := inspect(ctx, l, c)
		if malformed(err) && l.options.selects(Find("LGB002")) {
			return outcome{skip: "the breaker cannot be read (LGB002)"}, nil
		}
		return o, err
	}
}

// life is what is left of the key's life, whatever the key holds; 0 for no end.
func (l *look) life() (time.Duration, error) {
	st, err := l.breakerOnce()
	if !malformed(err) {
		return st.TTL, err
	}
	ctx, cancel := context.WithTimeout(l.ctx, l.options.Timeout)
	defer cancel()
	ttl, err := l.options.Redis.PTTL(ctx, breaker.DefaultKey).Result()
	return max(ttl, 0), err
}

func keyMissing(_ context.Context, l *look, _ *Check) (outcome, error) {
	st, err := l.breakerOnce()
	if err != nil || st.Exists {
		return outcome{}, err
	}
	sample := breaker.DefaultKey + " does not exist"
	if st.Lost {
		sample += fmt.Sprintf("; it was open since %s", moment(st.OpenedAt))
	}
	return one(sample), nil
}

func keyMalformed(_ context.Context, l *look, _ *Check) (outcome, error) {
	_, err := l.breakerOnce()
	var m *breaker.MalformedError
	if errors.As(err, &m) {
		return one(m.Error()), nil
	}
	return outcome{}, err
}

func keyExpires(_ context.Context, l *look, _ *Check) (outcome, error) {
	ttl, err := l.life()
	if err != nil || ttl == 0 {
		return outcome{}, err
	}
	state := "malformed"
	if st, err := l.breakerOnce(); err == nil {
		state = string(st.State)
	}
	return one(fmt.Sprintf("%s (%s) expires in %s", breaker.DefaultKey, state, ttl.Round(time.Second))), nil
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format(time.RFC3339)
}

package consistency

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// readInfo is INFO of the server, or of one that answers for a cluster.
func (l *look) readInfo() (map[string]string, error) {
	if l.options.RedisErr != nil {
		return nil, l.options.RedisErr
	}
	ctx, cancel := context.WithTimeout(l.ctx, l.options.Timeout)
	defer cancel()
	text, err := l.options.Redis.Info(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("read INFO of Redis: %w", err)
	}
	info := make(map[string]string)
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[k] = v
		}
	}
	return info, nil
}

func evictable(_ context.Context, l *look, _ *Check) (outcome, error) {
	info, err := l.infoOnce()
	if err != nil {
		return outcome{}, err
	}
	policy := info["maxmemory_policy"]
	ttl, err := l.life()
	if err != nil {
		return outcome{}, err
	}
	if strings.HasPrefix(policy, "allkeys-") || ttl > 0 && strings.HasPrefix(policy, "volatile-") {
		return one("maxmemory-policy is " + policy), nil
	}
	return outcome{}, nil
}

func notPersisted(_ context.Context, l *look, _ *Check) (outcome, error) {
	info, err := l.infoOnce()
	if err != nil {
		return outcome{}, err
	}
	switch {
	case info["aof_enabled"] == "1" && info["aof_last_write_status"] == "err":
		return one("the last write of the append-only file failed"), nil
	case info["aof_enabled"] == "1":
		return outcome{}, nil
	case info["rdb_last_bgsave_status"] == "err":
		return one("the last snapshot could not be saved"), nil
	}
	ctx, cancel := context.WithTimeout(l.ctx, l.options.Timeout)
	defer cancel()
	save, err := l.options.Redis.ConfigGet(ctx, "save").Result()
	var refused redis.Error
	switch {
	case errors.As(err, &refused): // managed servers hide it, and ACL users may lack it
		return outcome{skip: "this user may not read the setting save: " + refused.Error()}, nil
	case err != nil:
		return outcome{}, err
	case save["save"] == "":
		return one("appendonly is no, and save is empty"), nil
	}
	return outcome{}, nil
}

func clocksDiffer(ctx context.Context, l *look, _ *Check) (outcome, error) {
	if l.options.RedisErr != nil {
		return outcome{}, l.options.RedisErr
	}
	asked := time.Now()
	ofRedis, err := l.options.Redis.Time(ctx).Result()
	if err != nil {
		return outcome{}, fmt.Errorf("read the clock of Redis: %w", err)
	}
	redisOff := ofRedis.Sub(asked.Add(time.Since(asked) / 2))
	asked = time.Now()
	var ofPostgres time.Time
	if err := l.row(ctx, "SELECT clock_timestamp()", nil, &ofPostgres); err != nil {
		return outcome{}, err
	}
	postgresOff := ofPostgres.Sub(asked.Add(time.Since(asked) / 2))
	var samples []string
	for _, d := range []struct {
		what string
		off  time.Duration
	}{{"Redis and this machine", redisOff}, {"PostgreSQL and this machine", postgresOff}, {"Redis and PostgreSQL", redisOff - postgresOff}} {
		if d.off.Abs() > l.options.MaxClock {
			samples = append(samples, fmt.Sprintf("%s: %s", d.what, d.off.Round(time.Millisecond)))
		}
	}
	return many(l, samples), nil
}

func redisTooOld(_ context.Context, l *look) ([]string, error) {
	info, err := l.infoOnce()
	if err != nil {
		return nil, err
	}
	version := info["redis_version"]
	if older(version, l.options.MinRedis) {
		return []string{fmt.Sprintf("Redis %s; at least %s is needed", version, l.options.MinRedis)}, nil
	}
	return nil, nil
}

// older compares dotted version numbers.
func older(version, least string) bool {
	v, m := strings.Split(version, "."), strings.Split(least, ".")
	for i := range m {
		var a, b int
		if i < len(v) {
			fmt.Sscan(v[i], &a)
		}
		fmt.Sscan(m[i], &b)
		if a != b {
			return a < b
		}
	}
	return false
}

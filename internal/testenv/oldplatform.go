package testenv

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/internal/platform"
)

// NewOldPlatform makes a database and a Redis database that hold a platform in its
// old state (see package platform). Redis is a server of its own, since breaker
// notifications are shared by the databases of one.
func NewOldPlatform(t testing.TB) (*Database, *RedisDB) {
	t.Helper()
	db, r := NewEmptyDatabase(t), ownRedis(t)
	SeedOldPlatform(t, db.URL, r.URL)
	return db, r
}

// SeedOldPlatform fills an empty database and an empty Redis of a test's own servers.
func SeedOldPlatform(t testing.TB, databaseURL, redisURL string) {
	t.Helper()
	ctx := startContext(t)
	opt, err := redis.ParseURL(redisURL)
	must(t, err)
	client := redis.NewClient(opt)
	defer client.Close()
	must(t, platform.SeedDatabase(ctx, databaseURL))
	must(t, platform.SeedRedis(ctx, client, databaseURL, time.Now()))
}

func ownRedis(t testing.TB) *RedisDB {
	t.Helper()
	return newRedisDB(t, StartRedis(t).URL(0))
}

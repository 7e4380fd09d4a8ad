// Package platform makes a leadgen platform in its old state, on real servers: the
// database rows, the keys that the old workers wrote for each service, and the
// messages of their broker. The demo, the playground and the tests start from it.
package platform

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// SeedDatabase fills an empty database with the platform's schema and the rows of
// testdata/platform/seed.sql.
func SeedDatabase(ctx context.Context, databaseURL string) error {
	c, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return fmt.Errorf("connect to the new platform's database: %w", err)
	}
	defer c.Close(context.WithoutCancel(ctx))
	for _, file := range []string{"platform/schema.sql", "platform/seed.sql", "celery/executions.sql"} {
		sql, err := os.ReadFile(filepath.Join(testdata(), file))
		if err != nil {
			return fmt.Errorf("read the seed: %w", err)
		}
		if _, err := c.Exec(ctx, string(sql)); err != nil {
			return fmt.Errorf("load %s: %w", file, err)
		}
	}
	return nil
}

// SeedRedis writes the old breaker keys of all five services as of now, the
// look-alikes that no tool may touch, and the broker's structures for the jobs
// that the database holds.
func SeedRedis(ctx context.Context, client *redis.Client, databaseURL string, now time.Time) error {
	pipe := client.TxPipeline()
	for _, k := range OldKeys(now) {
		k.write(ctx, pipe)
	}
	for _, k := range OtherKeys(now) {
		k.write(ctx, pipe)
	}
	if err := seedBroker(ctx, pipe, databaseURL); err != nil {
		return err
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("write the old keys to Redis: %w", err)
	}
	return nil
}

func testdata() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(filepath.Dir(filepath.Dir(file))), "testdata")
}

package doctorcmd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/config"
)

// settings says which file, context and sources are in force; `config view` has them all.
func (v *visit) settings() {
	c := v.config
	seen := []string{"no config file"}
	if c.File != "" {
		seen[0] = c.File
	}
	if c.Context != "" {
		seen = append(seen, "context "+c.Context)
	}
	for _, key := range []string{config.KeyDatabaseURL, config.KeyRedisURL, config.KeyBrokerURL} {
		seen = append(seen, fmt.Sprintf("%s from %s", key, c.Sources[key]))
	}
	v.report.passed("LGD001", "Settings", "%s", strings.Join(seen, "; "))
}

const sessionSQL = `SELECT current_setting('server_version'), current_user::text, current_database()::text, pg_is_in_recovery()`

// postgres asks who answers, and what this role may do there.
func (v *visit) postgres(ctx context.Context) {
	const id, title = "LGD002", "PostgreSQL answers"
	if v.postgresErr != nil {
		v.report.failed(id, title, v.postgresErr, reach(v.config.DatabaseURL, v.postgresErr, "leadgen-postgres-1", "postgres"))
		return
	}
	ctx, cancel := v.within(ctx)
	defer cancel()
	started := time.Now()
	var version, user, database string
	var standby bool
	if err := v.pool.QueryRow(ctx, sessionSQL).Scan(&version, &user, &database, &standby); err != nil {
		v.report.failed(id, title, fmt.Errorf("ask PostgreSQL who it is: %w", err), "")
		return
	}
	role := "primary"
	if standby {
		role = "standby: commands that write need the primary"
	}
	c := v.pool.Config().ConnConfig
	v.report.passed(id, title, "%s at %s:%d, database %s, user %s, %s", version, c.Host, c.Port, database, user, role)
	v.report.took(started)
	v.postgresRights(ctx)
}

// redisServer asks who answers, and what this user may do there.
func (v *visit) redisServer(ctx context.Context) {
	const id, title = "LGD004", "Redis answers"
	if v.redisErr != nil {
		v.report.failed(id, title, v.redisErr, reach(v.config.RedisURL, v.redisErr, "leadgen-redis-1", "redis"))
		return
	}
	ctx, cancel := v.within(ctx)
	defer cancel()
	started := time.Now()
	text, err := v.redis.Info(ctx).Result()
	if err != nil {
		v.report.failed(id, title, fmt.Errorf("ask Redis for INFO: %w", err), "")
		return
	}
	info := make(map[string]string)
	for line := range strings.Lines(text) {
		if k, val, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[k] = val
		}
	}
	role := info["role"]
	if role == "slave" {
		role = "replica: commands that write need the master"
	}
	v.report.passed(id, title, "%s %s at %s, %s", info["redis_version"], info["redis_mode"], config.Mask(v.config.RedisURL), role)
	v.report.took(started)
	v.redisRights(ctx)
}

// broker asks Celery's broker how much waits and is reserved.
func (v *visit) broker(ctx context.Context) error {
	const id, title = "LGD006", "The broker answers"
	b, err := v.factory.Broker()
	if err != nil {
		return err
	}
	ctx, cancel := v.within(ctx)
	defer cancel()
	started := time.Now()
	queued, reserved, err := b.Depth(ctx)
	if err != nil {
		err = cmdutil.Explain(fmt.Errorf("ask the broker at %s: %w", config.Mask(v.config.BrokerURL), err))
		v.report.failed(id, title, err, reach(v.config.BrokerURL, err, "leadgen-redis-1", "redis"))
		return nil
	}
	seen := fmt.Sprintf("%s, %d messages wait", config.Mask(v.config.BrokerURL), queued)
	if reserved >= 0 { // RabbitMQ does not tell
		seen += fmt.Sprintf(", %d are reserved", reserved)
	}
	v.report.passed(id, title, "%s", seen)
	v.report.took(started)
	return nil
}

package cmdutil

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/internal/config"
	"github.com/leadgenctl/leadgenctl/internal/exit"
)

// quiet drops what go-redis would print on stderr: every error reaches us as a value.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func (f *Factory) connectRedis(ctx context.Context) (redis.UniversalClient, func(), error) {
	c, err := f.Config()
	if err != nil {
		return nil, nil, err
	}
	o, err := config.Redis(c.RedisURL, c.Timeout)
	if err != nil {
		return nil, nil, exit.Usagef("%w", err)
	}
	redis.SetLogger(quiet{})
	client := redis.NewUniversalClient(o)
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	if err := client.Ping(ctx).Err(); err != nil {
		client.Close()
		return nil, nil, explainPing(o, unreachable(fmt.Errorf("connect to Redis at %s: %w", config.Mask(c.RedisURL), err)))
	}
	return client, func() { client.Close() }, nil
}

// unreachable is Explain for the first word with a server: one that refuses it is not
// reached, whatever it says.
func unreachable(err error) error {
	if err = Explain(err); exit.Code(err) != exit.Findings {
		return err
	}
	return exit.WithHint(exit.Unreachablef("%w", err), "the server's own words say why; check that this is the right one (leadgenctl config view), or try again")
}

// explainPing adds what a silent server may mean: a plain one waits for ever for the
// rest of a TLS greeting, and go-redis asks unreachable Sentinels until time is up.
func explainPing(o *redis.UniversalOptions, err error) error {
	switch {
	case !errors.Is(err, context.DeadlineExceeded):
		return err
	case o.MasterName != "":
		return exit.WithHint(err, "check that the Sentinels are reached from here and know the master %q", o.MasterName)
	case o.TLSConfig != nil:
		return exit.WithHint(err, "check the address; where the server does not speak TLS, use redis:// in place of rediss://")
	}
	return err
}

func (f *Factory) connectPostgres(ctx context.Context) (*pgxpool.Pool, func(), error) {
	c, err := f.Config()
	if err != nil {
		return nil, nil, err
	}
	pc, err := config.Database(c.DatabaseURL, c.Timeout)
	if err != nil {
		return nil, nil, exit.Usagef("%w", err)
	}
	where := fmt.Sprintf("%s:%d, database %q, user %q", pc.ConnConfig.Host, pc.ConnConfig.Port, pc.ConnConfig.Database, pc.ConnConfig.User)
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, nil, exit.Usagef("connect to PostgreSQL at %s: %w", where, err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, nil, unreachable(fmt.Errorf("connect to PostgreSQL at %s: %w", where, err))
	}
	return pool, func() { closeInTime(pool) }, nil
}

// closeInTime says goodbye to the server, and does not wait for one that does not answer:
// the process ends anyway.
func closeInTime(pool *pgxpool.Pool) {
	closed := make(chan struct{})
	go func() { pool.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(time.Second):
	}
}

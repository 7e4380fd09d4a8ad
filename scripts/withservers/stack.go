package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/internal/platform"
	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// stack is what runs, and the environment that leads to it.
type stack struct {
	dir   string
	mu    sync.Mutex
	stops []func()
	env   []string
}

func newStack() (*stack, error) {
	dir, remove, err := servers.TempDir("leadgenctl-servers-")
	if err != nil {
		return nil, err
	}
	return &stack{dir: dir, stops: []func(){remove}}, nil
}

// stop ends what was started, the youngest first.
func (s *stack) stop() {
	for i := len(s.stops) - 1; i >= 0; i-- {
		s.stops[i]()
	}
}

func (s *stack) add(stop func(), env ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stops, s.env = append(s.stops, stop), append(s.env, env...)
}

// startForTests starts the servers that all test packages share, side by side
// with the build of the binary.
func (s *stack) startForTests(ctx context.Context, rabbit bool) error {
	jobs := []func() error{
		func() error {
			pg, err := servers.StartPostgres(ctx, s.dir)
			if err != nil {
				return err
			}
			s.add(pg.Stop, testenv.EnvPostgres+"="+pg.URL("postgres"))
			return nil
		},
		func() error {
			r, err := servers.StartRedis(ctx, s.dir, "--databases", strconv.Itoa(testenv.RedisDatabases))
			if err != nil {
				return err
			}
			s.add(r.Stop, testenv.EnvRedis+"="+r.URL(0))
			return nil
		},
		func() error {
			bin, err := build(ctx, s.dir)
			s.add(func() {}, testenv.EnvBinary+"="+bin)
			return err
		},
	}
	if rabbit {
		jobs = append(jobs, func() error {
			r, err := servers.StartRabbitMQ(ctx, s.dir)
			if err != nil {
				return err
			}
			s.add(r.Stop, testenv.EnvRabbitMQ+"="+r.URL(), testenv.EnvManagement+"="+r.ManagementURL())
			return nil
		})
	}
	errs := make([]error, len(jobs))
	var all sync.WaitGroup
	for i, job := range jobs {
		all.Go(func() { errs[i] = job() })
	}
	all.Wait()
	return errors.Join(errs...)
}

// startPlatform starts PostgreSQL and Redis, seeds both with the old state, and
// starts a worker where one is wanted. As on the platform, the broker, the
// results and the breaker share one Redis database.
func (s *stack) startPlatform(ctx context.Context, worker bool) error {
	pg, err := servers.StartPostgres(ctx, s.dir)
	if err != nil {
		return err
	}
	s.add(pg.Stop)
	r, err := servers.StartRedis(ctx, s.dir)
	if err != nil {
		return err
	}
	s.add(r.Stop)
	admin, err := pgx.Connect(ctx, pg.URL("postgres"))
	if err != nil {
		return fmt.Errorf("connect to the new server: %w", err)
	}
	defer admin.Close(ctx)
	if _, err := admin.Exec(ctx, "CREATE DATABASE leadgen"); err != nil {
		return fmt.Errorf("create the platform's database: %w", err)
	}
	database := pg.URL("leadgen")
	if err := platform.SeedDatabase(ctx, database); err != nil {
		return err
	}
	client := redis.NewClient(&redis.Options{Addr: r.Addr()})
	defer client.Close()
	if err := platform.SeedRedis(ctx, client, database, time.Now()); err != nil {
		return err
	}
	// A configuration of the developer's own must not lead the commands elsewhere,
	// nor snapshots of a playground lie among those of a real platform.
	s.env = append(s.env, "LEADGENCTL_DATABASE_URL="+database, "LEADGENCTL_REDIS_URL="+r.URL(0), "LEADGENCTL_BROKER_URL="+r.URL(0),
		"LEADGENCTL_WORKERS_RETURN=0s", // these servers have only just started
		"LEADGENCTL_CONFIG=/dev/null", "XDG_STATE_HOME="+filepath.Join(s.dir, "state"))
	if exe, err := os.Executable(); err == nil {
		s.env = append(s.env, "WITHSERVERS="+exe) // for -attach
	}
	if !worker {
		return nil
	}
	return s.startWorker(ctx, database, r.URL(0))
}

// startWorker starts a Celery worker that looks at the breaker in the same Redis.
func (s *stack) startWorker(ctx context.Context, databaseURL, redisURL string) error {
	w, err := servers.StartCeleryWorker(ctx, s.dir, servers.CeleryOptions{BrokerURL: redisURL, DatabaseURL: databaseURL, BreakerURL: redisURL})
	if err != nil {
		return err
	}
	s.add(w.Kill)
	return nil
}

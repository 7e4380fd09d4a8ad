// Package cmdutil is what every command shares: the factory of its clients,
// the flags that mean the same everywhere, and the output formats.
package cmdutil

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/pflag"

	"github.com/leadgenctl/leadgenctl/internal/config"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/internal/iostreams"
)

// Factory gives commands what they need, and nothing before they ask: building
// the command tree connects to nothing and reads no file. Clients are made once,
// checked with a ping within the time-out, and closed by Close.
type Factory struct {
	IO *iostreams.IOStreams

	// Config returns the resolved settings; an error is a usage error (exit 2).
	Config func() (*config.Config, error)
	// Redis returns the client of the breaker's server; an error has exit 2 or 3.
	Redis func(context.Context) (redis.UniversalClient, error)
	// Postgres returns a pool; an error has exit 2 or 3.
	Postgres func(context.Context) (*pgxpool.Pool, error)

	// Output is the value of -o: table, json or yaml.
	Output string
	// Verbose is --verbose: causes and stack traces on stderr.
	Verbose bool

	closers []func()
	mu      sync.Mutex
}

// New returns a factory whose settings come from flags (see config.AddFlags),
// the environment and the config file.
func New(io *iostreams.IOStreams, flags *pflag.FlagSet) *Factory {
	f := &Factory{IO: io}
	f.Config = sync.OnceValues(func() (*config.Config, error) {
		c, err := config.Load(flags)
		if err != nil {
			return nil, exit.WithHint(exit.Usagef("%w", err), "see: leadgenctl config view --help")
		}
		return c, nil
	})
	f.Redis = once(f, f.connectRedis)
	f.Postgres = once(f, f.connectPostgres)
	return f
}

// Close closes the clients that were made.
func (f *Factory) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.closers {
		c()
	}
	f.closers = nil
}

// once makes a client at the first successful call; safe for concurrent use.
func once[T any](f *Factory, connect func(context.Context) (T, func(), error)) func(context.Context) (T, error) {
	var (
		mu     sync.Mutex
		made   bool
		client T
	)
	return func(ctx context.Context) (T, error) {
		mu.Lock()
		defer mu.Unlock()
		if made {
			return client, nil
		}
		c, done, err := connect(ctx)
		if err != nil {
			return client, err
		}
		f.mu.Lock()
		f.closers = append(f.closers, done)
		f.mu.Unlock()
		client, made = c, true
		return client, nil
	}
}

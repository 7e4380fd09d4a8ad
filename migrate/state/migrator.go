package state

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// Settings of a Migrator.
type Settings struct {
	Client  redis.UniversalClient // the Redis that holds the old keys and the breaker
	Breaker *breaker.Breaker      // on the same client
	Store   Store                 // where snapshots go

	// Services are those whose keys are carried; names beside the platform's five
	// come from the configuration or are named by the operator.
	Services []string
	// Discover looks for further keys by walking over all names. They are listed and left.
	Discover bool
	Rules    Rules
	// Following says that old workers are known to run still: what they wrote since a
	// finished migration is news that contradicts nothing.
	Following bool
	Actor     string // who migrates

	Progress func(done, total int64) // of the discovery, in keys; may be nil
	Step     func(name string)       // told of each step, for crash tests; may be nil
	Warn     func(text string)       // told of what is odd and no error; may be nil
}

// Migrator carries old keys into the global key and back. It is not safe for
// concurrent use; several Migrators on one Redis are, whatever process they are in.
type Migrator struct{ s Settings }

// New checks the settings. It does not connect.
func New(s Settings) (*Migrator, error) {
	if s.Client == nil || s.Breaker == nil || s.Store == nil {
		return nil, errors.New("migrate state: a client, a breaker and a store are needed")
	}
	if err := s.Rules.Validate(); err != nil {
		return nil, err
	}
	for _, name := range s.Services {
		if name == "" || name == globalName {
			return nil, fmt.Errorf("%q cannot be the name of a service", name)
		}
	}
	s.Services = slices.Compact(slices.Sorted(slices.Values(s.Services)))
	return &Migrator{s}, nil
}

func (m *Migrator) now() time.Time { return time.Now().UTC() }

func (m *Migrator) step(name string) { step(m.s.Step, name) }

func (m *Migrator) warnf(format string, a ...any) {
	if m.s.Warn != nil {
		m.s.Warn(fmt.Sprintf(format, a...))
	}
}

// readOld reads every key of the services in one round trip.
func (m *Migrator) readOld(ctx context.Context) ([]*OldKey, error) {
	return readKeys(ctx, m.s.Client, namesOf(m.s.Services))
}

package breaker

import (
	"errors"

	"github.com/redis/go-redis/v9"
)

// Breaker is one process's view of the global breaker. Safe for concurrent use;
// a process needs one.
type Breaker struct {
	client   redis.UniversalClient
	settings Settings
	keys     Keys
	cache    cache
	follower follower
}

// New returns a Breaker on client: a single Redis, Sentinel or Cluster. It does
// not connect. The client stays the caller's to close.
func New(client redis.UniversalClient, settings Settings) (*Breaker, error) {
	if client == nil {
		return nil, errors.New("breaker: no Redis client")
	}
	settings, err := settings.withDefaults()
	if err != nil {
		return nil, err
	}
	b := &Breaker{client: client, settings: settings, keys: KeysOf(settings.Key)}
	b.cache.deny = settings.Policy == PolicyDeny
	b.cache.forget()
	return b, nil
}

// Keys returns the names that the breaker uses in Redis.
func (b *Breaker) Keys() Keys { return b.keys }

package breakercmd

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/migrate/state"
)

// legacyKeys finds the old keys of the known services, by name, in one round trip.
func legacyKeys(ctx context.Context, client redis.UniversalClient, services []string) ([]string, error) {
	var names []string
	for _, s := range services {
		for _, f := range state.Families {
			names = append(names, f.Key(s))
		}
	}
	found := []string{}
	if len(names) == 0 {
		return found, nil
	}
	exists := make([]*redis.IntCmd, len(names))
	_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, n := range names {
			exists[i] = p.Exists(ctx, n)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for old keys: %w", err)
	}
	for i, n := range names {
		if exists[i].Val() > 0 {
			found = append(found, n)
		}
	}
	return found, nil
}

package state_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// topologies are the three forms of Redis that users have, each empty.
func topologies(t *testing.T) map[string]redis.UniversalClient {
	t.Helper()
	cluster := testenv.StartRedisCluster(t)
	sentinel := testenv.StartRedisSentinel(t)
	clients := map[string]redis.UniversalClient{
		"single":   testenv.NewRedis(t).Client,
		"cluster":  redis.NewClusterClient(&redis.ClusterOptions{Addrs: cluster.Addrs()}),
		"sentinel": redis.NewFailoverClient(&redis.FailoverOptions{MasterName: servers.SentinelMaster, SentinelAddrs: sentinel.Addrs()}),
	}
	for name, c := range clients {
		if name != "single" {
			t.Cleanup(func() { c.Close() })
		}
	}
	return clients
}

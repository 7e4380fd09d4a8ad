package servers

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisCluster is a private Redis Cluster of masters without replicas.
type RedisCluster struct {
	Nodes []*Redis
}

const clusterSlots = 16384

// StartRedisCluster starts masters nodes below dir and waits until each of them
// sees the whole cluster. extra are further command-line words of every node.
func StartRedisCluster(ctx context.Context, dir string, masters int, extra ...string) (*RedisCluster, error) {
	c := &RedisCluster{}
	for range masters {
		// The cluster bus listens 10000 above the port, also before Redis 7.
		port, err := freePort(firstPort, firstPort+9000, 10000)
		if err != nil {
			c.Stop()
			return nil, err
		}
		words := append([]string{"--cluster-enabled", "yes", "--cluster-node-timeout", "5000",
			"--cluster-config-file", filepath.Join("nodes-" + strconv.Itoa(port) + ".conf")}, extra...)
		n, err := StartRedisWith(ctx, dir, RedisOptions{Extra: words, port: port})
		if err != nil {
			c.Stop()
			return nil, err
		}
		c.Nodes = append(c.Nodes, n)
	}
	if err := c.form(ctx); err != nil {
		c.Stop()
		return nil, fmt.Errorf("form the Redis Cluster: %w", err)
	}
	return c, nil
}

func (c *RedisCluster) form(ctx context.Context) error {
	for i, n := range c.Nodes {
		client := redis.NewClient(&redis.Options{Addr: n.Addr()})
		defer client.Close()
		first, last := i*clusterSlots/len(c.Nodes), (i+1)*clusterSlots/len(c.Nodes)-1
		if err := client.ClusterAddSlotsRange(ctx, first, last).Err(); err != nil {
			return err
		}
		if err := client.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			return err
		}
		if i == 0 {
			continue
		}
		if err := client.ClusterMeet(ctx, "127.0.0.1", strconv.Itoa(c.Nodes[0].Port)).Err(); err != nil {
			return err
		}
	}
	for _, n := range c.Nodes {
		client := redis.NewClient(&redis.Options{Addr: n.Addr()})
		defer client.Close()
		err := poll(ctx, func() (bool, error) {
			info, err := client.ClusterInfo(ctx).Result()
			return strings.Contains(info, "cluster_state:ok") &&
				strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", len(c.Nodes))), err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Addrs are the addresses of all nodes.
func (c *RedisCluster) Addrs() []string {
	var addrs []string
	for _, n := range c.Nodes {
		addrs = append(addrs, n.Addr())
	}
	return addrs
}

// Stop ends every node.
func (c *RedisCluster) Stop() {
	for _, n := range c.Nodes {
		n.Stop()
	}
}

// poll asks until done says so or ctx ends.
func poll(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done()
		if ok && err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited in vain: %w (last answer: %v)", ctx.Err(), err)
		case <-tick.C:
		}
	}
}

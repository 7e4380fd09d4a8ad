package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// SentinelMaster is the name under which the Sentinels know the master.
const SentinelMaster = "leadgen"

// RedisSentinel is a private master with one replica, watched by three Sentinels.
type RedisSentinel struct {
	Master, Replica *Redis
	Ports           []int // of the Sentinels
	sentinels       []*process
}

// StartRedisSentinel starts the five servers below dir and waits until the
// Sentinels know each other and the replica.
func StartRedisSentinel(ctx context.Context, dir string) (*RedisSentinel, error) {
	s := &RedisSentinel{}
	if err := s.start(ctx, dir); err != nil {
		s.Stop()
		return nil, fmt.Errorf("start Redis with Sentinel: %w", err)
	}
	return s, nil
}

func (s *RedisSentinel) start(ctx context.Context, dir string) error {
	var err error
	if s.Master, err = StartRedis(ctx, dir, "--repl-diskless-sync-delay", "0"); err != nil {
		return err
	}
	if s.Replica, err = StartRedis(ctx, dir, "--replicaof", "127.0.0.1 "+strconv.Itoa(s.Master.Port)); err != nil {
		return err
	}
	for range 3 {
		if err := s.startSentinel(ctx, dir); err != nil {
			return err
		}
	}
	for _, a := range s.Addrs() {
		c := redis.NewSentinelClient(&redis.Options{Addr: a})
		defer c.Close()
		err := poll(ctx, func() (bool, error) {
			m, err := c.Master(ctx, SentinelMaster).Result()
			return m["num-slaves"] == "1" && m["num-other-sentinels"] == "2" && m["flags"] == "master", err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *RedisSentinel) startSentinel(ctx context.Context, parent string) error {
	bin, err := findBinary("redis-server")
	if err != nil {
		return err
	}
	port, err := FreePort()
	if err != nil {
		return err
	}
	dir := filepath.Join(parent, "sentinel-"+strconv.Itoa(port))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the Sentinel directory: %w", err)
	}
	conf := filepath.Join(dir, "sentinel.conf")
	lines := []string{"port " + strconv.Itoa(port), "bind 127.0.0.1", "dir " + dir,
		fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d 2", SentinelMaster, s.Master.Port),
		fmt.Sprintf("sentinel down-after-milliseconds %s 1000", SentinelMaster),
		fmt.Sprintf("sentinel failover-timeout %s 5000", SentinelMaster)}
	if err := os.WriteFile(conf, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		return fmt.Errorf("write the Sentinel configuration: %w", err)
	}
	p, err := start(dir, "sentinel", exec.Command(bin, conf, "--sentinel"), "TERM")
	if err != nil {
		return err
	}
	s.Ports, s.sentinels = append(s.Ports, port), append(s.sentinels, p)
	c := redis.NewSentinelClient(&redis.Options{Addr: loopback(port), MaxRetries: -1})
	defer c.Close()
	return p.ready(ctx, func(ctx context.Context) error { return c.Ping(ctx).Err() })
}

// Addrs are the addresses of the Sentinels.
func (s *RedisSentinel) Addrs() []string {
	var addrs []string
	for _, p := range s.Ports {
		addrs = append(addrs, loopback(p))
	}
	return addrs
}

// Failover makes the replica the master and waits until the Sentinels say so.
func (s *RedisSentinel) Failover(ctx context.Context) error {
	c := redis.NewSentinelClient(&redis.Options{Addr: s.Addrs()[0]})
	defer c.Close()
	if err := c.Failover(ctx, SentinelMaster).Err(); err != nil {
		return fmt.Errorf("ask for a failover: %w", err)
	}
	return poll(ctx, func() (bool, error) {
		a, err := c.GetMasterAddrByName(ctx, SentinelMaster).Result()
		return err == nil && a[1] == strconv.Itoa(s.Replica.Port), err
	})
}

// Stop ends all five servers.
func (s *RedisSentinel) Stop() {
	for _, p := range s.sentinels {
		p.stop(syscall.SIGTERM)
	}
	for _, r := range []*Redis{s.Replica, s.Master} {
		if r != nil && r.process != nil {
			r.Stop()
		}
	}
}

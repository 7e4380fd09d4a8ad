package servers

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// Redis is a private Redis server without persistence.
type Redis struct {
	Port int
	Dir  string
	*process
	options RedisOptions
}

// RedisOptions are how a server differs from a plain one.
type RedisOptions struct {
	Password string            // requirepass; "" for none
	Users    map[string]string // ACL users: name -> rules, e.g. "on >secret ~* +@read"
	TLS      *Certificates     // serve TLS only; a client certificate is not asked for
	Extra    []string          // further command-line words, such as "--databases", "10000"

	port int // 0 for a free one
}

// StartRedis starts a plain server below dir on a free port. extra are further
// command-line words, such as "--databases", "10000".
func StartRedis(ctx context.Context, dir string, extra ...string) (*Redis, error) {
	return StartRedisWith(ctx, dir, RedisOptions{Extra: extra})
}

// StartRedisWith starts a server below dir on a free port.
func StartRedisWith(ctx context.Context, dir string, options RedisOptions) (*Redis, error) {
	port := options.port
	if port == 0 {
		var err error
		if port, err = FreePort(); err != nil {
			return nil, err
		}
	}
	r := &Redis{Port: port, Dir: filepath.Join(dir, "redis-"+strconv.Itoa(port)), options: options}
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the Redis directory: %w", err)
	}
	return r, r.run(ctx)
}

func (r *Redis) run(ctx context.Context) error {
	bin, err := findBinary("redis-server")
	if err != nil {
		return err
	}
	args := []string{"--bind", "127.0.0.1", "--dir", r.Dir, "--save", "", "--appendonly", "no", "--daemonize", "no"}
	if t := r.options.TLS; t != nil {
		args = append(args, "--port", "0", "--tls-port", strconv.Itoa(r.Port), "--tls-cert-file", t.ServerCert,
			"--tls-key-file", t.ServerKey, "--tls-ca-cert-file", t.CA, "--tls-auth-clients", "optional")
	} else {
		args = append(args, "--port", strconv.Itoa(r.Port))
	}
	if r.options.Password != "" {
		args = append(args, "--requirepass", r.options.Password)
	}
	if r.process, err = start(r.Dir, "redis", exec.Command(bin, append(args, r.options.Extra...)...), "TERM"); err != nil {
		return err
	}
	o, err := r.clientOptions()
	if err != nil {
		return err
	}
	c := redis.NewClient(o)
	defer c.Close()
	if err := r.ready(ctx, func(ctx context.Context) error { return c.Ping(ctx).Err() }); err != nil {
		return err
	}
	for name, rules := range r.options.Users {
		words := []any{"ACL", "SETUSER", name}
		for _, w := range strings.Fields(rules) {
			words = append(words, w)
		}
		if err := c.Do(ctx, words...).Err(); err != nil {
			return fmt.Errorf("make the Redis user %s: %w", name, err)
		}
	}
	return nil
}

// clientOptions are those of the administrator: maintenance hints are off, since
// a first connection to a server that is starting should not ask for more than PING.
func (r *Redis) clientOptions() (*redis.Options, error) {
	o := &redis.Options{Addr: r.Addr(), Password: r.options.Password, MaxRetries: -1}
	if r.options.TLS == nil {
		return o, nil
	}
	var err error
	o.TLSConfig, err = r.options.TLS.ClientTLS()
	return o, err
}

// Addr is host:port.
func (r *Redis) Addr() string { return loopback(r.Port) }

// URL is the administrator's address of a numbered database of this server.
// With TLS the caller adds the authority: RedisOptions.TLS.CA.
func (r *Redis) URL(db int) string { return r.UserURL("", r.options.Password, db) }

// UserURL is the address of a numbered database with the given credentials.
func (r *Redis) UserURL(user, password string, db int) string {
	u := url.URL{Scheme: "redis", Host: r.Addr(), Path: "/" + strconv.Itoa(db)}
	if r.options.TLS != nil {
		u.Scheme = "rediss"
	}
	if user != "" || password != "" {
		u.User = url.UserPassword(user, password)
	}
	return u.String()
}

// Stop ends the server; its data is lost.
func (r *Redis) Stop() { r.stop(syscall.SIGTERM) }

// Kill ends the server as kill -9 does.
func (r *Redis) Kill() { r.kill() }

// Restart stops the server and starts it, empty, on the same port. extra are
// words in addition to those of the first start.
func (r *Redis) Restart(ctx context.Context, extra ...string) error {
	r.Stop()
	r.options.Extra = append(r.options.Extra[:len(r.options.Extra):len(r.options.Extra)], extra...)
	return r.run(ctx)
}

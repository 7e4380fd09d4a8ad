package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Redis turns an address into client options:
//
//	redis://[user[:password]@]host[:port][/db]      rediss:// for TLS
//	unix:///path/to.sock?db=0                       also redis+socket://
//	sentinel://[user[:password]@]h1:26379,h2:26379/master[/db]   sentinels:// for TLS
//	redis+cluster://[user[:password]@]h1:7000,h2:7001            rediss+cluster:// for TLS
//
// TLS options go by redis-py's names: ssl_ca_certs, ssl_certfile, ssl_keyfile,
// ssl_cert_reqs (required or none), ssl_server_name.
func Redis(address string, timeout time.Duration) (*redis.UniversalOptions, error) {
	o, err := parseRedis(address)
	if err != nil {
		return nil, fmt.Errorf("Redis URL %s: %w", Mask(address), plainURLError(err))
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = timeout, timeout, timeout
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true // CLIENT SETINFO needs a right that a read-only user may lack
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return o, nil
}

func parseRedis(address string) (*redis.UniversalOptions, error) {
	u, err := parseHosts(address)
	if err != nil {
		return nil, err
	}
	q := u.Query()
	o := &redis.UniversalOptions{}
	if u.User != nil {
		o.Username = u.User.Username()
		o.Password, _ = u.User.Password()
	}
	secure := false
	switch u.Scheme {
	case "redis", "rediss":
		secure = u.Scheme == "rediss"
		if u.Host == "" {
			u.Host = "localhost"
		}
		o.Addrs, err = hosts(u.Host, "6379")
		if err == nil && len(o.Addrs) > 1 {
			err = errors.New("several hosts need the scheme redis+cluster or sentinel")
		}
		err = errors.Join(err, database(o, orDefault(strings.Trim(u.Path, "/"), orDefault(take(q, "db"), "0"))))
	case "unix", "redis+socket":
		o.Addrs = []string{u.Path}
		if u.Path == "" {
			err = errors.New("the path of the socket is missing")
		}
		err = errors.Join(err, database(o, orDefault(take(q, "db"), orDefault(take(q, "virtual_host"), "0"))))
	case "sentinel", "sentinels", "redis+sentinel", "rediss+sentinel":
		secure = u.Scheme == "sentinels" || u.Scheme == "rediss+sentinel"
		err = sentinel(o, u, q)
	case "redis+cluster", "rediss+cluster":
		secure = u.Scheme == "rediss+cluster"
		o.IsClusterMode = true
		if strings.Trim(u.Path, "/") != "" && strings.Trim(u.Path, "/") != "0" {
			err = errors.New("a cluster has database 0 only")
		} else {
			o.Addrs, err = hosts(u.Host, "6379")
		}
	default:
		return nil, fmt.Errorf("the scheme %q is not one of redis, rediss, unix, sentinel, redis+cluster", u.Scheme)
	}
	if err != nil {
		return nil, err
	}
	if o.TLSConfig, err = tlsConfig(secure, q); err != nil {
		return nil, err
	}
	for name := range q {
		return nil, fmt.Errorf("unknown option %q", name)
	}
	return o, nil
}

func sentinel(o *redis.UniversalOptions, u *url.URL, q url.Values) error {
	master, db, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	o.MasterName = orDefault(master, take(q, "master_name"))
	o.SentinelUsername, o.SentinelPassword = take(q, "sentinel_username"), take(q, "sentinel_password")
	if o.MasterName == "" {
		return errors.New("the master's name is missing: sentinel://host:26379/MASTER/DB")
	}
	var err error
	o.Addrs, err = hosts(u.Host, "26379")
	return errors.Join(err, database(o, orDefault(db, orDefault(take(q, "db"), "0"))))
}

// parseHosts is url.Parse for an authority that may list several hosts with ports,
// which Go refuses since 1.26: the list is kept as the URL's Host as it stands.
func parseHosts(address string) (*url.URL, error) {
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		return nil, errors.New("not a URL: it has no scheme")
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	start := strings.LastIndex(rest[:end], "@") + 1
	list := rest[start:end]
	u, err := url.Parse(scheme + "://" + rest[:start] + "hosts" + rest[end:])
	if err != nil {
		return nil, err
	}
	u.Host = list
	return u, nil
}

// hosts splits "a:1,b" and gives each host its port.
func hosts(list, port string) ([]string, error) {
	var out []string
	for h := range strings.SplitSeq(list, ",") {
		if h == "" {
			return nil, errors.New("the host is missing")
		}
		host, p, err := net.SplitHostPort(h)
		if err != nil { // no port: a name, an IPv4 address, or an IPv6 address in brackets
			host, p = strings.Trim(h, "[]"), port
		}
		if host == "" {
			return nil, fmt.Errorf("%q has no host", h)
		}
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return nil, fmt.Errorf("%q is not a port", p)
		}
		out = append(out, net.JoinHostPort(host, p))
	}
	return out, nil
}

func database(o *redis.UniversalOptions, db string) error {
	n, err := strconv.Atoi(db)
	if err != nil || n < 0 {
		return fmt.Errorf("the database %q is not a number", db)
	}
	o.DB = n
	return nil
}

// take returns a parameter and removes it, so that what is left is unknown.
func take(q url.Values, name string) string {
	v := q.Get(name)
	q.Del(name)
	return v
}

// tlsConfig reads the TLS options; nil without TLS.
func tlsConfig(secure bool, q url.Values) (*tls.Config, error) {
	ca, cert, key := take(q, "ssl_ca_certs"), take(q, "ssl_certfile"), take(q, "ssl_keyfile")
	reqs, name := take(q, "ssl_cert_reqs"), take(q, "ssl_server_name")
	if !secure {
		if ca+cert+key+reqs+name != "" {
			return nil, errors.New("TLS options need the scheme rediss (or its Sentinel and Cluster forms)")
		}
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name}
	switch strings.TrimPrefix(strings.ToLower(reqs), "cert_") {
	case "", "required", "optional":
	case "none":
		c.InsecureSkipVerify = true
	default:
		return nil, fmt.Errorf("ssl_cert_reqs %q is neither required nor none", reqs)
	}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("read ssl_ca_certs: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ssl_ca_certs %s holds no certificate", ca)
		}
	}
	if cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("read ssl_certfile and ssl_keyfile: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// plainURLError drops the address, secrets and all, that net/url repeats in its errors.
func plainURLError(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
		if _, ok := err.(url.EscapeError); ok || strings.Contains(err.Error(), "invalid port") || strings.Contains(err.Error(), "userinfo") {
			return errors.New("not a URL: a special character in the user, password or port must be percent-encoded")
		}
	}
	return err
}

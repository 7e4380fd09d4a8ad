package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/config"
)

func TestRedisForms(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]struct {
		addrs, master, user, password, sentinelPassword string
		db                                              int
		tls, cluster                                    bool
	}{
		"redis://localhost":                         {addrs: "localhost:6379"},
		"redis://":                                  {addrs: "localhost:6379"},
		"redis://cache:6380/3":                      {addrs: "cache:6380", db: 3},
		"redis://cache?db=4":                        {addrs: "cache:6379", db: 4},
		"redis://:p%40ss%2F@cache/1":                {addrs: "cache:6379", password: "p@ss/", db: 1},
		"redis://ann:secret@[::1]:6379/0":           {addrs: "[::1]:6379", user: "ann", password: "secret"},
		"rediss://cache/0?ssl_cert_reqs=none":       {addrs: "cache:6379", tls: true},
		"unix:///run/redis.sock?db=2":               {addrs: "/run/redis.sock", db: 2},
		"redis+socket:///run/r.sock?virtual_host=5": {addrs: "/run/r.sock", db: 5},
		"sentinel://:pw@s1:26379,s2,s3:26380/mymaster/2?sentinel_password=spw": {
			addrs: "s1:26379,s2:26379,s3:26380", master: "mymaster", password: "pw", sentinelPassword: "spw", db: 2},
		"redis+sentinel://s1/?master_name=m":     {addrs: "s1:26379", master: "m"},
		"sentinels://s1/m":                       {addrs: "s1:26379", master: "m", tls: true},
		"redis+cluster://:pw@c1:7000,c2:7001":    {addrs: "c1:7000,c2:7001", password: "pw", cluster: true},
		"rediss+cluster://config.example:6379/0": {addrs: "config.example:6379", tls: true, cluster: true},
	} {
		o, err := config.Redis(address, time.Second)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if got := strings.Join(o.Addrs, ","); got != want.addrs || o.MasterName != want.master || o.Username != want.user ||
			o.Password != want.password || o.SentinelPassword != want.sentinelPassword || o.DB != want.db ||
			(o.TLSConfig != nil) != want.tls || o.IsClusterMode != want.cluster {
			t.Errorf("%s: got %+v", address, o)
		}
	}
}

func TestRedisRefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	for address, why := range map[string]string{
		"localhost:6379":                       "no scheme",
		"http://cache":                         `"http" is not one of`,
		"redis://cache:port":                   `"port" is not a port`,
		"redis://cache:70000":                  `"70000" is not a port`,
		"redis://cache/zero":                   `"zero" is not a number`,
		"redis://cache/-1":                     `"-1" is not a number`,
		"redis://a,b":                          "redis+cluster or sentinel",
		"redis://cache?colour=red":             `unknown option "colour"`,
		"redis://cache?ssl_ca_certs=/ca":       "need the scheme rediss",
		"rediss://cache?ssl_cert_reqs=maybe":   "neither required nor none",
		"rediss://cache?ssl_ca_certs=/no/file": "read ssl_ca_certs",
		"rediss://cache?ssl_certfile=/no/file": "read ssl_certfile",
		"unix://?db=1":                         "path of the socket is missing",
		"sentinel://s1":                        "master's name is missing",
		"redis+cluster://a,/0":                 "host is missing",
		"redis+cluster://a/3":                  "database 0 only",
		"redis://:hunter2#x@cache/0/%zz":       "not a URL",
		"redis://:hunter2%zz@cache":            "percent-encoded",
	} {
		_, err := config.Redis(address, time.Second)
		if err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want %q and no secret", address, err, why)
		}
	}
}

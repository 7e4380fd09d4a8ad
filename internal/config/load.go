package config

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// AddFlags registers the flags that Load reads.
func AddFlags(fs *pflag.FlagSet) {
	fs.String(KeyDatabaseURL, "", "PostgreSQL: URL, SQLAlchemy URL or key=value form")
	fs.String(KeyRedisURL, "", "the breaker's Redis: redis://, rediss://, unix://, sentinel:// or redis+cluster://")
	fs.String(KeyBrokerURL, "", "Celery's broker, a Redis or amqp:// URL (default: the Redis URL)")
	fs.String(KeyEnvFile, "", "file of NAME=value lines for variables that the environment does not set")
	fs.String("context", "", "named context of the config file")
	fs.String("config", "", "config file (default: ./"+FileName+", then the XDG config folder)")
	fs.Duration(KeyTimeout, DefaultTimeout, "how long a server may take to answer")
	fs.String(KeyActor, "", "who acts, for the records (default: user@host)")
	fs.StringSlice(KeyServices, DefaultServices, "services that had a breaker of their own")
	fs.Lookup(KeyServices).DefValue = strings.Join(DefaultServices, ", ") // as the help shows it, in lines that fit a terminal
}

// appVariables are the platform's own environment variables per setting, after LEADGENCTL_*.
var appVariables = map[string][]string{
	KeyDatabaseURL: {"DATABASE_URL"},
	KeyRedisURL:    {"REDIS_URL"},
	KeyBrokerURL:   {"CELERY_BROKER_URL"},
}

// Load resolves the settings. Its errors are usage errors and hold no secret.
func Load(flags *pflag.FlagSet) (*Config, error) {
	v := viper.New()
	named, contextName := flagOrEnv(flags, "config"), flagOrEnv(flags, "context")
	path, err := findFile(named)
	if err != nil {
		return nil, err
	}
	f, err := readFile(path)
	if err != nil {
		return nil, err
	}
	contextName, inContext, err := f.context(contextName, path)
	if err != nil {
		return nil, err
	}
	for _, m := range []map[string]any{f.asMap(), inContext.asMap()} {
		if err := v.MergeConfigMap(m); err != nil {
			return nil, fmt.Errorf("config file %s: %w", path, err)
		}
	}
	c := &Config{Context: contextName, File: path, Sources: map[string]string{}}
	for _, key := range []string{KeyDatabaseURL, KeyRedisURL, KeyBrokerURL, KeyTimeout, KeyActor, KeyServices, KeySecret, KeyPingURL, KeyNotify} {
		if fl := flags.Lookup(key); fl != nil {
			if err := v.BindPFlag(key, fl); err != nil {
				return nil, fmt.Errorf("bind the flag --%s: %w", key, err)
			}
		}
		if err := v.BindEnv(append([]string{key}, environment(key)...)...); err != nil {
			return nil, fmt.Errorf("bind the environment of %s: %w", key, err)
		}
		c.Sources[key] = source(key, flags, inContext, f.values)
	}
	if err := c.fillCelery(f.values.Celery, inContext.Celery); err != nil {
		return nil, fmt.Errorf("config file %s: %w", path, err)
	}
	if err := c.fillNotify(f.values.Notify, inContext.Notify); err != nil {
		return nil, err
	}
	return c, c.fill(v)
}

// fillNotify takes the channels: name=URL words from the environment, or a mapping of the
// file. Viper is passed over, since it changes the case of keys.
func (c *Config) fillNotify(mappings ...map[string]string) error {
	for _, m := range mappings {
		if m != nil {
			c.Notify = m
		}
	}
	variable := environment(KeyNotify)[0]
	if text := os.Getenv(variable); text != "" {
		c.Notify = map[string]string{}
		for _, word := range strings.Fields(text) {
			name, address, ok := strings.Cut(word, "=")
			if !ok || name == "" || address == "" || strings.ContainsAny(name, ":/@") { // an address that has a "=" is no name
				return fmt.Errorf("%s is not of the form name=URL name=URL", variable)
			}
			if _, twice := c.Notify[name]; twice {
				return fmt.Errorf("%s names the channel %q twice", variable, name)
			}
			c.Notify[name] = address
		}
	}
	return nil
}

// fill takes the values and composes what the app gives in parts.
func (c *Config) fill(v *viper.Viper) error {
	c.DatabaseURL, c.RedisURL, c.BrokerURL = v.GetString(KeyDatabaseURL), v.GetString(KeyRedisURL), v.GetString(KeyBrokerURL)
	if c.DatabaseURL == "" {
		c.DatabaseURL, c.Sources[KeyDatabaseURL] = composeDatabase()
	}
	if c.RedisURL == "" {
		c.RedisURL, c.Sources[KeyRedisURL] = composeRedis()
	}
	if c.BrokerURL == "" {
		c.BrokerURL, c.Sources[KeyBrokerURL] = c.RedisURL, KeyRedisURL
	}
	var err error
	if c.Timeout, err = time.ParseDuration(v.GetString(KeyTimeout)); err != nil || c.Timeout <= 0 {
		return fmt.Errorf("%s %q (from %s) is not a positive duration such as 10s", KeyTimeout, v.GetString(KeyTimeout), c.Sources[KeyTimeout])
	}
	if c.Actor = v.GetString(KeyActor); c.Actor == "" {
		c.Actor = defaultActor()
	}
	c.Services = splitList(v.GetStringSlice(KeyServices))
	c.WebhookSecret, c.PingURL = v.GetString(KeySecret), v.GetString(KeyPingURL)
	return nil
}

// splitList makes one list of "a,b" and ["a", "b"], which the environment and the file give.
func splitList(in []string) []string {
	var out []string
	for _, s := range in {
		for p := range strings.SplitSeq(s, ",") {
			if p = strings.TrimSpace(p); p != "" {
				out = append(out, p)
			}
		}
	}
	return out
}

// environment are the variables of a setting, first one first.
func environment(key string) []string {
	own := "LEADGENCTL_" + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
	return append([]string{own}, appVariables[key]...)
}

func flagOrEnv(flags *pflag.FlagSet, key string) string {
	if fl := flags.Lookup(key); fl != nil && fl.Changed {
		return fl.Value.String()
	}
	return os.Getenv(environment(key)[0])
}

func source(key string, flags *pflag.FlagSet, inContext, top values) string {
	if fl := flags.Lookup(key); fl != nil && fl.Changed {
		return "flag --" + key
	}
	for _, name := range environment(key) {
		if os.Getenv(name) == "" {
			continue
		}
		if file := fromEnvFile[name]; file != "" {
			return "env-file " + file
		}
		return "environment " + name
	}
	if _, ok := inContext.asMap()[key]; ok {
		return "context"
	}
	if _, ok := top.asMap()[key]; ok {
		return "file"
	}
	return "default"
}

// composeDatabase builds a URL from POSTGRES_SERVER and its companions. Without
// them the answer is "": libpq's own variables and service files then decide.
func composeDatabase() (dsn, from string) {
	server, db, name := os.Getenv("POSTGRES_SERVER"), os.Getenv("POSTGRES_DB"), os.Getenv("POSTGRES_USER")
	if server == "" && db == "" {
		return "", "libpq's PG* variables"
	}
	u := url.URL{Scheme: "postgresql", Path: "/" + db}
	switch {
	case strings.HasPrefix(server, "/"):
		u.RawQuery = url.Values{"host": {server}}.Encode()
	default:
		u.Host = withPort(orDefault(server, "localhost"), os.Getenv("POSTGRES_PORT"))
	}
	if name != "" {
		u.User = url.User(name)
		if pw := os.Getenv("POSTGRES_PASSWORD"); pw != "" {
			u.User = url.UserPassword(name, pw)
		}
	}
	return u.String(), "environment POSTGRES_SERVER, …"
}

// composeRedis builds a URL from REDIS_HOST and its companions.
func composeRedis() (address, from string) {
	host := os.Getenv("REDIS_HOST")
	from = "environment REDIS_HOST, …"
	if host == "" {
		host, from = "localhost", "default"
	}
	u := url.URL{Scheme: "redis", Host: withPort(host, orDefault(os.Getenv("REDIS_PORT"), "6379")), Path: "/" + orDefault(os.Getenv("REDIS_DB"), "0")}
	if pw := os.Getenv("REDIS_PASSWORD"); pw != "" {
		u.User = url.UserPassword(os.Getenv("REDIS_USERNAME"), pw)
	}
	return u.String(), from
}

func withPort(host, port string) string {
	if port == "" {
		return host
	}
	return net.JoinHostPort(host, port)
}

func orDefault(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

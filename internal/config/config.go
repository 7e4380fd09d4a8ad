// Package config resolves settings: flags, then environment, then the config
// file's context, then the file's top level, then defaults; and turns the
// addresses that ops people have into client options.
package config

import (
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/leadgenctl/leadgenctl/queue"
)

// The settings by name: the flag, the key in the file, and (upper case, with
// underscores, behind LEADGENCTL_) the environment variable.
const (
	KeyDatabaseURL = "database-url"
	KeyRedisURL    = "redis-url"
	KeyBrokerURL   = "broker-url"
	KeyTimeout     = "timeout"
	KeyActor       = "actor"
	KeyServices    = "services"
	KeyPingURL     = "ping-url"
	KeySecret      = "webhook-secret"
	KeyNotify      = "notify"
)

// Config is what the commands see: resolved and validated. Its URLs may hold
// secrets; print them through Mask only.
type Config struct {
	DatabaseURL string        // libpq or SQLAlchemy form; "" leaves it to PG* and service files
	RedisURL    string        // where the breaker lives
	BrokerURL   string        // Celery's broker; the Redis URL where none is given
	Context     string        // the named context in use, "" for none
	File        string        // the config file in use, "" for none
	Timeout     time.Duration // how long a server may take to answer
	Services    []string      // the services that had a breaker of their own
	Actor       string        // who acts: user@host unless given

	// Whom audits and the monitor tell.
	Notify        map[string]string // channel names and their URLs, which hold secrets
	WebhookSecret string            // signs the bodies of webhooks
	PingURL       string            // of a health check; holds a secret

	// What becomes of a resumed job, from the file's section "celery".
	Tasks        map[queue.JobType]queue.TaskSpec
	DefaultQueue string   // Celery's own when empty
	Queues       []string // further queues to look into
	MaxAttempts  int      // 0 for the default
	Transport    Transport

	// WorkersReturn is how long workers may take to come back to a broker that has started.
	WorkersReturn time.Duration

	// Sources says for each setting where its value came from, for `config view`.
	Sources map[string]string
}

// DefaultServices are the platform's third-party services under the old rules.
var DefaultServices = []string{"apollo", "perplexity", "openai", "instantly", "millionverifier"}

// DefaultTimeout is how long a server may take to answer.
const DefaultTimeout = 10 * time.Second

// defaultActor is user@host of this process, as far as the system tells.
func defaultActor() string {
	name := os.Getenv("SUDO_USER")
	if name == "" {
		if u, err := user.Current(); err == nil {
			name = u.Username
		} else {
			name = fmt.Sprint("uid", os.Getuid())
		}
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return name + "@" + host
}

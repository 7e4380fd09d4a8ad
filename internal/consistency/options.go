package consistency

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

// Options of a run. A server that could not be reached is a nil client with its error.
type Options struct {
	Pool        *pgxpool.Pool
	PostgresErr error
	Redis       redis.UniversalClient
	RedisErr    error
	Broker      *celery.Redis // nil without BrokerErr: RabbitMQ, which cannot show messages
	BrokerErr   error
	Queues      Queues // the broker, whichever it is; Broker where it is nil

	Tasks    map[queue.JobType]queue.TaskSpec // those that run jobs, beside the platform's own
	Services []string                         // that had a breaker of their own
	Walk     time.Duration                    // how long to look over the names in Redis for further ones; 1 s when zero
	Only     []string                         // ids, families or globs; all checks when empty
	Skip     []string                         // taken out again

	MaxSamples       int           // per check; 5 when zero
	StatementTimeout time.Duration // of each PostgreSQL statement; 60 s when zero
	Timeout          time.Duration // of each Redis call, and to begin with PostgreSQL; 10 s when zero
	Settle           time.Duration // between two looks; 1 s when zero
	MaxOpen          time.Duration // an open breaker older than this is a finding; 24 h when zero
	MaxPending       time.Duration // a pending job without a task older than this is one; 15 min when zero
	TaskTimeLimit    time.Duration // of the app's tasks; 30 min when zero
	MaxClock         time.Duration // by which clocks may differ; 2 s when zero
	MaxLag           time.Duration // by which a replica may lag; 30 s when zero
	Visibility       time.Duration // Celery's visibility_timeout; 1 h when zero
	MinPostgres      int           // oldest major version that is supported; 13 when zero
	MinRedis         string        // oldest version that is supported; "6.2" when empty
	Since            time.Time     // events before this are old news; 24 h ago when zero
	Version          string        // of the program, for the report

	// Progress is told how many checks are done; nil for none. Called from several goroutines.
	Progress func(done, total int)
}

// patience is how long to wait for a statement: the server's own time-out comes first.
func (o *Options) patience() time.Duration { return o.StatementTimeout + 5*time.Second }

// Queues is what both brokers can tell.
type Queues interface {
	// Depth counts the messages on the queues.
	Depth(ctx context.Context) (queued, reserved int64, err error)
	// Listening says whether some worker takes them, as far as the broker knows.
	Listening(ctx context.Context) (bool, error)
}

func (o *Options) fill() {
	if o.Queues == nil && o.Broker != nil {
		o.Queues = o.Broker
	}
	for _, d := range []struct {
		field    *time.Duration
		fallback time.Duration
	}{
		{&o.StatementTimeout, time.Minute}, {&o.Timeout, 10 * time.Second}, {&o.Walk, time.Second}, {&o.Settle, time.Second},
		{&o.MaxOpen, 24 * time.Hour}, {&o.MaxPending, 15 * time.Minute}, {&o.TaskTimeLimit, 30 * time.Minute},
		{&o.MaxClock, 2 * time.Second}, {&o.MaxLag, 30 * time.Second}, {&o.Visibility, time.Hour},
	} {
		if *d.field <= 0 {
			*d.field = d.fallback
		}
	}
	if o.MinPostgres == 0 {
		o.MinPostgres = 13
	}
	if o.MinRedis == "" {
		o.MinRedis = "6.2"
	}
	if o.Since.IsZero() {
		o.Since = time.Now().Add(-24 * time.Hour)
	}
	if o.MaxSamples <= 0 {
		o.MaxSamples = 5
	}
	if o.Pool == nil && o.PostgresErr == nil {
		o.PostgresErr = errors.New("no connection to PostgreSQL")
	}
	if o.Redis == nil && o.RedisErr == nil {
		o.RedisErr = errors.New("no connection to Redis")
	}
	if o.Progress == nil {
		o.Progress = func(int, int) {}
	}
}

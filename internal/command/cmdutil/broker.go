package cmdutil

import (
	"context"
	"errors"
	"runtime/debug"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/config"
	"github.com/leadgenctl/leadgenctl/internal/crashpoint"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/queue"
	"github.com/leadgenctl/leadgenctl/queue/celery"
)

// brokerPatience bounds a single call to the broker: a command tries several times,
// and leaves the rest to the outbox.
const brokerPatience = 3 * time.Second

// queueMemory is what the collector aims at.
const queueMemory = 88 << 20

// Broker returns Celery's broker. It is not connected to: a broker that is away is the
// queue's business, which keeps what is for it.
func (f *Factory) Broker() (queue.Broker, error) {
	c, err := f.Config()
	if err != nil {
		return nil, err
	}
	t := c.Transport
	o := celery.Options{DefaultQueue: c.DefaultQueue, Queues: c.Queues, Prefix: t.KeyPrefix, Separator: t.Separator,
		PrioritySteps: t.PrioritySteps, Unacked: t.Unacked, UnackedIndex: t.UnackedIndex, WorkersReturn: c.WorkersReturn}
	if scheme, _, _ := strings.Cut(c.BrokerURL, "://"); scheme == "amqp" || scheme == "amqps" || scheme == "pyamqp" {
		b, err := celery.NewRabbitMQ(strings.TrimPrefix(c.BrokerURL, "py"), o)
		if err != nil {
			return nil, exit.Usagef("the broker: %w", err)
		}
		f.onClose(b.Close)
		return b, nil
	}
	client, db, err := f.brokerClient(c)
	if err != nil {
		return nil, err
	}
	o.DB = db
	return celery.NewRedis(client, o)
}

// BrokerRedis returns the broker where it is Redis, for what only Redis can tell.
func (f *Factory) BrokerRedis() (*celery.Redis, error) {
	b, err := f.Broker()
	if err != nil {
		return nil, err
	}
	r, ok := b.(*celery.Redis)
	if !ok {
		return nil, exit.Refusedf("the broker is RabbitMQ, which cannot show or move single messages")
	}
	return r, nil
}

func (f *Factory) brokerClient(c *config.Config) (redis.UniversalClient, int, error) {
	o, err := config.Redis(c.BrokerURL, min(c.Timeout, brokerPatience))
	if err != nil {
		return nil, 0, exit.Usagef("the broker: %w", err)
	}
	redis.SetLogger(quiet{})
	o.MaxRetries = -1
	client := redis.NewUniversalClient(o)
	f.onClose(func() { client.Close() })
	return client, o.DB, nil
}

func (f *Factory) onClose(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closers = append(f.closers, fn)
}

// Queue returns the manager of the jobs over the given clients, with the broker, the
// tasks of the configuration and an alert on stderr for each task that cannot be made.
func (f *Factory) Queue(pool *pgxpool.Pool, b *breaker.Breaker) (*queue.Manager, error) {
	return f.QueueWith(pool, b, nil)
}

// QueueWith is Queue with a hook for progress.
func (f *Factory) QueueWith(pool *pgxpool.Pool, b *breaker.Breaker, progress func(done, total int64)) (*queue.Manager, error) {
	c, err := f.Config()
	if err != nil {
		return nil, err
	}
	broker, err := f.Broker()
	if err != nil {
		return nil, err
	}
	// A resume of a million jobs makes much garbage beside what it knows of each.
	debug.SetMemoryLimit(queueMemory)
	m, err := queue.New(pool, b, queue.Settings{Broker: broker, Tasks: c.Tasks, MaxAttempts: c.MaxAttempts, Step: crashpoint.Hit,
		OnProgress: progress, OnFailure: func(x queue.Failure) {
			f.IO.Warnf("job %d is FAILED: its task could not be created after %d attempts: %v", x.JobID, x.Attempts, x.Err)
		}})
	if err != nil {
		return nil, exit.Usagef("%w", err)
	}
	return m, nil
}

// Failed is the end of a command that FAILED jobs; nil for none.
func Failed(jobs int64) error {
	if jobs == 0 {
		return nil
	}
	return exit.WithHint(exit.Partialf("%s FAILED: their tasks could not be created", Plural(jobs, "job is", "jobs are")),
		"the warnings say why; when that is mended: leadgenctl queue retry --failed-since 1h")
}

// ConnectQueue connects to Redis and PostgreSQL and returns the manager over them.
func (f *Factory) ConnectQueue(ctx context.Context, progress func(done, total int64)) (*queue.Manager, *breaker.Breaker, error) {
	c, err := f.Config()
	if err != nil {
		return nil, nil, err
	}
	client, err := f.Redis(ctx)
	if err != nil {
		return nil, nil, err
	}
	b, err := breaker.New(client, breaker.Settings{Actor: c.Actor})
	if err != nil {
		return nil, nil, err
	}
	pool, err := f.Postgres(ctx)
	if err != nil {
		return nil, nil, err
	}
	m, err := f.QueueWith(pool, b, progress)
	return m, b, err
}

// ExplainQueue gives an error of package queue its exit code and the next step.
func ExplainQueue(err error) error {
	var partial *queue.PartialError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return exit.WithHint(&exit.Error{Code: exit.Interrupted, Err: errors.New("interrupted; nothing is lost")},
			"see what is left with: leadgenctl queue status; go on with: leadgenctl reconcile, or leadgenctl queue resume --continue")
	case errors.Is(err, queue.ErrSchemaMissing):
		return exit.WithHint(exit.Unreachablef("the schema leadgenctl is missing in the database"), "run: leadgenctl migrate up --to base")
	case errors.Is(err, queue.ErrReopened):
		return exit.WithHint(exit.Partialf("%w", err), "what is left stays paused; when the service is well: leadgenctl breaker close")
	case errors.Is(err, queue.ErrUnknownHolder):
		return exit.WithHint(exit.Partialf("%w", err), "see who answers with: leadgenctl workers ls; later, or when they do: leadgenctl queue relay; if nobody has those tasks for sure: leadgenctl queue relay --assume-dead")
	case errors.Is(err, queue.ErrBrokerAway):
		return exit.WithHint(exit.Partialf("%w", err), "the tasks are kept in the outbox; when the broker is back: leadgenctl queue relay")
	case errors.As(err, &partial):
		return exit.WithHint(exit.Partialf("%w", &queue.PartialError{Result: partial.Result, Err: Explain(partial.Err)}),
			"complete it with: leadgenctl reconcile, or the same command again")
	case errors.Is(err, queue.ErrBreakerOpen):
		return exit.WithHint(exit.Refusedf("%w", err), "only a person closes it: leadgenctl breaker close")
	case errors.Is(err, queue.ErrBreakerClosed):
		return exit.WithHint(exit.Refusedf("%w", err), "open it: leadgenctl breaker open --reason REASON")
	case errors.Is(err, queue.ErrUnregistered):
		return exit.WithHint(exit.Refusedf("%w: the workers would drop its messages silently; nothing was changed", err),
			"see what they know with: leadgenctl workers ls -o json; the tasks of each job type are in the config file under tasks")
	case errors.Is(err, queue.ErrNoTask):
		return exit.WithHint(exit.Refusedf("%w; nothing was changed", err), "add the job type to the config file under tasks")
	case errors.Is(err, queue.ErrRampAtWork):
		return exit.WithHint(exit.Refusedf("%w; nothing was changed", err), "see how far it is with: leadgenctl queue status")
	case errors.Is(err, queue.ErrRampUnfinished):
		return exit.WithHint(exit.Refusedf("%w; nothing was changed", err), "go on with: leadgenctl queue resume --continue; or give a pace of its own")
	}
	return Explain(err)
}

package queue

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

var (
	// ErrSchemaMissing says that the tables of schema leadgenctl are not there (or
	// are older than this program): `leadgenctl migrate up --to base` makes them.
	ErrSchemaMissing = errors.New("the schema leadgenctl is missing")

	// ErrBreakerOpen refuses to resume jobs: only closing the breaker does that.
	ErrBreakerOpen = errors.New("the circuit breaker is open")

	// ErrBreakerClosed refuses to pause jobs: only opening the breaker does that.
	ErrBreakerClosed = errors.New("the circuit breaker is closed")

	// ErrBrokerAway says that the broker cannot be reached; the outbox keeps the tasks.
	ErrBrokerAway = errors.New("the broker cannot be reached")

	// ErrRetracted says that another process has taken a batch back before it was
	// published: its jobs were paused again meanwhile, and what is left of it is
	// decided anew.
	ErrRetracted = errors.New("the batch was taken back")

	// ErrNoBroker says that a Manager has no broker to ask.
	ErrNoBroker = errors.New("no broker is configured")

	// ErrUnregistered refuses to publish a task that no worker knows: the workers would
	// drop its messages silently.
	ErrUnregistered = errors.New("no worker has registered it")

	// ErrNoTask refuses to resume jobs of a type for which no task is configured.
	ErrNoTask = errors.New("no task is configured for it")

	// ErrUnknownHolder says that some tasks may be somewhere where they cannot be seen, as
	// with a worker that does not answer: they were left alone. RelayOptions.AssumeDead
	// decides.
	ErrUnknownHolder = errors.New("it is not known where the tasks are")

	// ErrNotSent says that a broker was not reached at all, so that nothing was published.
	ErrNotSent = errors.New("nothing was sent")

	// ErrReopened stops a resume: the breaker has opened again, and what is left stays paused.
	ErrReopened = errors.New("the circuit breaker has opened again")

	// ErrRampUnfinished says that a paced resume was interrupted: ResumeOptions.Continue goes on.
	ErrRampUnfinished = errors.New("a paced resume was interrupted")

	// ErrRampAtWork says that another process is at work on a paced resume.
	ErrRampAtWork = errors.New("another process is at work on a paced resume")

	// ErrNoDatabase is the cause of a PartialError of a Manager without a pool.
	ErrNoDatabase = errors.New("there is no connection to PostgreSQL")
)

// PartialError says that the breaker has changed (or was already as asked) but the
// jobs have not followed, or not all. Reconcile, or the same call again, completes it.
type PartialError struct {
	Result Result // what was done
	Err    error  // why not everything
}

func (e *PartialError) Error() string {
	if errors.Is(e.Err, ErrReopened) {
		return fmt.Sprintf("%d jobs were resumed, then %v", e.Result.JobsResumed, ErrReopened)
	}
	return fmt.Sprintf("the circuit breaker is %s, but not all jobs have followed: %v", e.Result.Transition.State, e.Err)
}

// Unwrap returns the cause.
func (e *PartialError) Unwrap() error { return e.Err }

// SQLSTATEs of a missing table and a missing schema.
const (
	undefinedTable  = "42P01"
	undefinedSchema = "3F000"
)

// databaseError gives a missing table its own error.
func databaseError(doing string, err error) error {
	if err == nil {
		return nil
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && strings.Contains(pg.Message, "leadgenctl") && (pg.Code == undefinedTable || pg.Code == undefinedSchema) {
		return fmt.Errorf("%s: %w: %w", doing, ErrSchemaMissing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// refusals begin the answers of a Redis that is there and says no: to ask again does
// not help.
var refusals = []string{"NOPERM", "NOAUTH", "WRONGPASS", "WRONGTYPE"}

// brokerError marks a broker that could not be asked.
func brokerError(doing string, err error) error {
	if err == nil {
		return nil
	}
	var answer interface{ RedisError() } // go-redis marks with it what a server answered
	if errors.As(err, &answer) && slices.ContainsFunc(refusals, func(r string) bool { return strings.Contains(err.Error(), r) }) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w: %w", doing, ErrBrokerAway, err)
}

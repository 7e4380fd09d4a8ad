package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leadgenctl/leadgenctl/breaker"
)

// Settings of a Manager. The zero value of each field is usable.
type Settings struct {
	// Broker is where the tasks of resumed jobs go. Without one, resumed jobs become
	// PENDING and get no task: that is the caller's part then.
	Broker Broker

	// Tasks says how each job type becomes a task. DefaultTasks when nil.
	Tasks map[JobType]TaskSpec

	// MaxAttempts is how often the broker is asked to take a task that it refuses
	// before the job is FAILED, and how often a call tries to reach the broker before
	// it leaves the rest to the outbox. 5 when zero.
	MaxAttempts int

	// RetryDelay is the first wait between attempts; it doubles, with jitter. 1 s
	// when zero; a broker that is away is tried again after a quarter of it.
	RetryDelay time.Duration

	// OnFailure is told of each job whose task could not be created. Nil for nobody.
	OnFailure func(Failure)

	// OnProgress is told how many jobs of how many have been resumed and dispatched.
	OnProgress func(done, total int64)

	// Step is called at named points between which a process may die; tests kill
	// it there. Nil for none.
	Step func(name string)
}

// Broker is both sides of a broker.
type Broker interface {
	Publisher
	Inspector
}

// Failure is a job whose task could not be created; the job is FAILED.
type Failure struct {
	JobID    int64
	TaskID   string
	Attempts int
	Err      error
}

// Manager keeps the jobs in step with the breaker. Safe for concurrent use, by
// many processes too: changes of job state take one advisory lock in turn.
type Manager struct {
	pool     *pgxpool.Pool
	breaker  *breaker.Breaker
	settings Settings
	reason   string // of the pause, where it is not the breaker's own

	assumeDead bool // as in ResumeOptions, where there are none
}

// New returns a Manager. A nil pool is a PostgreSQL that cannot be reached: Open
// then still opens the breaker, and everything else fails with ErrNoDatabase.
func New(pool *pgxpool.Pool, b *breaker.Breaker, s Settings) (*Manager, error) {
	if b == nil {
		return nil, errors.New("queue: a breaker is required")
	}
	if s.Step == nil {
		s.Step = func(string) {}
	}
	if s.Tasks == nil {
		s.Tasks = DefaultTasks()
	}
	for t, spec := range s.Tasks {
		if err := spec.Validate(); err != nil {
			return nil, fmt.Errorf("queue: the task of job type %s: %w", t, err)
		}
	}
	if s.MaxAttempts == 0 {
		s.MaxAttempts = 5
	}
	if s.RetryDelay == 0 {
		s.RetryDelay = time.Second
	}
	if s.MaxAttempts < 0 || s.RetryDelay < 0 {
		return nil, errors.New("queue: the attempts or the delay is negative")
	}
	if s.OnFailure == nil {
		s.OnFailure = func(Failure) {}
	}
	if s.OnProgress == nil {
		s.OnProgress = func(int64, int64) {}
	}
	// Batches are dispatched side by side; hooks are told one after the other.
	var mu sync.Mutex
	step, onFailure := s.Step, s.OnFailure
	s.Step = func(name string) {
		mu.Lock()
		defer mu.Unlock()
		step(name)
	}
	s.OnFailure = func(f Failure) {
		mu.Lock()
		defer mu.Unlock()
		onFailure(f)
	}
	return &Manager{pool: pool, breaker: b, settings: s}, nil
}

// inTx runs fn in one transaction under the advisory lock, which ends with it: this
// works through a pooler in transaction mode.
func (m *Manager) inTx(ctx context.Context, doing string, fn func(pgx.Tx) error) error {
	if m.pool == nil {
		return ErrNoDatabase
	}
	// A pause or a resume of a million jobs joins and groups them: more memory than the
	// server's default keeps that off the disk.
	err := pgx.BeginTxFunc(ctx, m.pool, pgx.TxOptions{BeginQuery: "BEGIN; SET LOCAL work_mem = '64MB'"}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(advisoryLock)); err != nil {
			return err
		}
		return fn(tx)
	})
	return databaseError(doing, err)
}

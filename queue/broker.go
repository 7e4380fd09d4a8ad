package queue

import "context"

// This file is what a Manager needs of a Celery broker; package queue/celery has it
// for Redis and RabbitMQ.

// Task is one Celery task to publish.
type Task struct {
	ID       string  // fixed before anything is published
	Name     string  // as workers register it
	Args     []any   // positional; usually none
	Kwargs   []Kwarg // by name, in the order in which they are written
	Queue    string  // the broker's default queue when empty
	Priority int     // 0 to 9

	// Replaces are the messages that make room for this one, in the same atomic step.
	// Where one of them is no longer where it was (a worker took it), nothing is withdrawn
	// and nothing is published: Missed.
	Replaces []Message
}

// Message is one message of a task that makes room for another task's.
type Message struct {
	TaskID    string `json:"task"`
	Abandoned bool   `json:"abandoned,omitempty"` // a dead worker has reserved it; else it is queued
}

// Kwarg is one named argument: a JSON value (nil, bool, string, number, slice, map).
type Kwarg struct {
	Name  string
	Value any
}

// Outcome is what became of a Task.
type Outcome int

// The outcomes of Publish.
const (
	Published Outcome = iota // on the queue now
	Duplicate                // published by an earlier call; nothing was done
	Replaced                 // took the place of what it replaces, whose bytes are kept
	Missed                   // what it replaces was taken by a worker; nothing was published
	Rejected                 // refused this time (a full queue, an unroutable message); try again later
	Unfit                    // cannot be a message that a worker survives; nothing was published
)

// Delivery is the outcome of one Task.
type Delivery struct {
	Outcome Outcome
	Err     error // why, of Rejected and Unfit
}

// Publisher puts tasks on the broker.
type Publisher interface {
	// Publish puts the tasks on the broker and answers for each, in order. It is safe
	// to repeat: a task of the same id and batch reaches the queue once, as far as
	// the broker can promise that. The same batch always holds the same tasks. An
	// error means that the broker is away, and that nothing is known of the batch (unless
	// it is ErrNotSent), or that it is retracted: ErrRetracted.
	Publish(ctx context.Context, batch string, tasks []Task) ([]Delivery, error)

	// Idempotent says whether the broker itself drops a batch that it has already. Where it
	// does not, a batch that may be there is published again only when it is nowhere.
	Idempotent() bool

	// Retract forbids to publish the batches from now on, whoever is about to. What of
	// them is on the broker already stays there. RabbitMQ has no way to do that.
	Retract(ctx context.Context, batches []string) error
}

// Place is where a task is.
type Place string

// The places. A task that is found in none of them is gone.
const (
	PlaceQueued    Place = "queued"    // a message on a queue
	PlaceAbandoned Place = "abandoned" // reserved by a worker that is dead; replaceable like queued
	PlaceReserved  Place = "reserved"  // fetched by a live worker, not started; also waiting for its eta
	PlaceRunning   Place = "running"   // a live worker runs it
	PlaceUnknown   Place = "unknown"   // a worker that does not answer may hold it
)

// Held is one task that was found.
type Held struct {
	TaskID string
	Name   string // "" where it is not known
	JobID  int64  // the job_id among its arguments; 0 for none
	Place  Place
	Worker string // "" where it is not known
	Copy   uint32 // tells one queued message of a task from another; 0 elsewhere
}

// Fleet is what the workers answered.
type Fleet struct {
	Alive      []string        // names of the workers that answered
	Silent     int             // workers that listen and did not answer
	Registered map[string]bool // task names that at least one of them knows; nil where none answered
	Doubt      string          // why a task that was found nowhere may be somewhere all the same; "" for none
}

// Inspector looks into the broker and asks the workers.
type Inspector interface {
	// Workers asks who is alive.
	Workers(ctx context.Context) (Fleet, error)

	// Each calls fn with every task on the broker or with a worker, in chunks of at
	// most a few thousand, in the order in which messages move: queues first, then
	// what is reserved, then what the workers say themselves. A task may be told more
	// than once; the later word counts. The Fleet is who answered.
	Each(ctx context.Context, fn func([]Held) error) (Fleet, error)

	// Started returns, of the given tasks, those whose result says STARTED, with
	// their workers. Only asked where a worker is silent.
	Started(ctx context.Context, taskIDs []string) ([]Held, error)

	// Ended returns, of the given tasks, those whose result says how they ended, where
	// results are kept in the broker, with Celery's word for it.
	Ended(ctx context.Context, taskIDs []string) (map[string]string, error)

	// Queued calls fn with the queued tasks, in chunks, and asks no worker.
	Queued(ctx context.Context, fn func([]Held) error) error

	// Withdraw takes the queued messages out for which choose returns true, and keeps
	// their bytes; it reads the queues in chunks. It returns how many.
	Withdraw(ctx context.Context, reason string, choose func(chunk []Held) ([]bool, error)) (int64, error)

	// PutBack puts withdrawn messages back on their queues, to the byte, for whose tasks
	// choose returns true, unless another task took their place. It returns how many.
	PutBack(ctx context.Context, choose func(taskID string) bool) (int64, error)

	// Depth counts the messages on the queues, and those that are reserved (-1 where
	// the broker does not tell).
	Depth(ctx context.Context) (queued, reserved int64, err error)
}

// Package operations is the log of what was changed in order to mend findings, with what
// was there before, and the way back. It is the table leadgenctl.operations.
package operations

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrNone says that there is no operation of an id.
var ErrNone = errors.New("no such operation")

// Run is one operation in the making. It is logged in parts, since it may be large; all
// parts have one id for people.
type Run struct {
	Pool      *pgxpool.Pool
	Actor     string
	Operation string        // such as "fix LGQ004"
	Patience  time.Duration // for one statement; without an end when zero
	id        string
}

// New begins an operation. Nothing is logged before something is changed.
func New(pool *pgxpool.Pool, actor, operation string) *Run {
	return &Run{Pool: pool, Actor: actor, Operation: operation, id: uuid.NewString()}
}

// Log notes what was changed where that is kept elsewhere: the snapshot of the breaker's
// key, or further details such as the batch of messages that were taken out.
func (r *Run) Log(ctx context.Context, snapshot string, detail map[string]any) error {
	detail["run"] = r.id
	data, err := json.Marshal(detail)
	if err == nil {
		ctx, cancel := r.patient(ctx)
		defer cancel()
		_, err = r.Pool.Exec(ctx, `INSERT INTO leadgenctl.operations (actor, operation, detail, snapshot_id) VALUES ($1, $2, $3::text::jsonb, nullif($4, ''))`,
			r.Actor, r.Operation, string(data), snapshot)
	}
	if err != nil {
		return fmt.Errorf("log %q: %w", r.Operation, err)
	}
	return nil
}

// patient bounds one statement: a server may be frozen.
func (r *Run) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.Patience == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, r.Patience)
}

// Info is an operation without the rows that it changed.
type Info struct {
	ID        string    `json:"id"` // fix-12
	At        time.Time `json:"at"`
	Actor     string    `json:"actor"`
	Operation string    `json:"operation"`
	Jobs      int64     `json:"jobs"`               // rows that were changed
	Messages  int64     `json:"messages"`           // that were taken out of the queues
	Batch     string    `json:"batch,omitempty"`    // where these are kept: `tasks restore`
	Snapshot  string    `json:"snapshot,omitempty"` // of the breaker's key
	number    int64
}

// prefix tells an operation's id from that of a snapshot.
const prefix = "fix-"

// IsID says whether id is that of an operation.
func IsID(id string) bool {
	_, err := number(id)
	return err == nil
}

func number(id string) (int64, error) {
	digits, ok := strings.CutPrefix(id, prefix)
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("operation %q: %w", id, ErrNone)
	}
	return n, nil
}

// partsSQL are the operations, each with its parts put together.
const partsSQL = `SELECT min(id), min(at), min(actor), min(operation),
	coalesce(sum(jsonb_array_length(coalesce(detail->'jobs', '[]'))), 0), coalesce(sum((detail->>'messages')::bigint), 0)::bigint,
	coalesce(max(detail->>'batch'), ''), coalesce(max(snapshot_id), '')
FROM leadgenctl.operations %s GROUP BY coalesce(detail->>'run', id::text) ORDER BY 1 DESC`

func read(ctx context.Context, pool *pgxpool.Pool, where string, args ...any) ([]Info, error) {
	rows, err := pool.Query(ctx, fmt.Sprintf(partsSQL, where), args...)
	if err != nil {
		return nil, fmt.Errorf("read the operations: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (i Info, err error) {
		err = row.Scan(&i.number, &i.At, &i.Actor, &i.Operation, &i.Jobs, &i.Messages, &i.Batch, &i.Snapshot)
		i.ID, i.At = prefix+strconv.FormatInt(i.number, 10), i.At.UTC()
		return i, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the operations: %w", err)
	}
	return found, nil
}

// List returns all operations, newest first.
func List(ctx context.Context, pool *pgxpool.Pool) ([]Info, error) { return read(ctx, pool, "") }

// Get returns one.
func Get(ctx context.Context, pool *pgxpool.Pool, id string) (Info, error) {
	n, err := number(id)
	if err != nil {
		return Info{}, err
	}
	found, err := read(ctx, pool, `WHERE coalesce(detail->>'run', id::text) = (SELECT coalesce(detail->>'run', id::text) FROM leadgenctl.operations WHERE id = $1)`, n)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("operation %s: %w", id, ErrNone)
	}
	if err != nil {
		return Info{}, err
	}
	return found[0], nil
}

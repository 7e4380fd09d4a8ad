package consistency

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/queue"
)

// look is one look at the stores. What several checks need is read once.
type look struct {
	ctx     context.Context // of the whole look, for what is read once for several checks
	options *Options
	started time.Time
	// patience ends when a transition that is at work is no excuse any more.
	patience time.Time

	mu sync.Mutex // guards the connection to PostgreSQL
	tx pgx.Tx
	at queue.AtWork // when the snapshot was taken
	// gone is why PostgreSQL cannot be read any more.
	gone error

	breakerOnce func() (breaker.Status, error)
	oldKeysOnce func() (oldKeys, error)
	infoOnce    func() (map[string]string, error)
	surveyOnce  func() (*survey, error) // of the broker alone
	compareOnce func() (*survey, error) // compared with the jobs, too
	crewOnce    func() (*crew, error)
	passes      map[string]*pass // by table, of the row checks
	tables      func() (map[string]bool, error)
}

func newLook(ctx context.Context, o *Options, checks []*Check) *look {
	l := &look{ctx: ctx, options: o, started: time.Now(), gone: o.PostgresErr}
	l.passes = make(map[string]*pass)
	for _, c := range checks {
		if c.needs&broker != 0 && c.needs&postgres != 0 && o.Broker != nil {
			l.passOver(jobs).reader, l.passOver(campaigns).reader = &liveSets{l: l}, &liveCampaigns{}
		}
		if c.table != nil {
			p := l.passOver(c.table.from)
			p.checks = append(p.checks, c)
		}
	}
	l.breakerOnce = sync.OnceValues(l.readBreaker)
	l.oldKeysOnce = sync.OnceValues(l.readOldKeys)
	l.surveyOnce = sync.OnceValues(l.readSurvey)
	l.compareOnce = sync.OnceValues(l.compareSurvey)
	l.crewOnce = sync.OnceValues(l.readCrew)
	l.infoOnce = sync.OnceValues(l.readInfo)
	l.tables = sync.OnceValues(l.readTables)
	return l
}

// close ends the transaction; it changed nothing.
func (l *look) close() {
	if l.tx != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = l.tx.Rollback(ctx) // read only: there is nothing to lose
	}
}

// begin starts the look's transaction, once. The caller holds l.mu.
func (l *look) begin(ctx context.Context) error {
	if l.gone != nil || l.tx != nil {
		return l.gone
	}
	// A server that is frozen takes connections and never answers.
	ctx, cancel := context.WithTimeout(ctx, l.options.Timeout)
	defer cancel()
	tx, err := l.options.Pool.BeginTx(ctx, pgx.TxOptions{BeginQuery: fmt.Sprintf(beginSQL, l.options.StatementTimeout.Milliseconds())})
	if err != nil {
		l.gone = fmt.Errorf("begin a snapshot of PostgreSQL: %w", err)
		return l.gone
	}
	if l.at, err = queue.ReadAtWork(ctx, tx); err != nil {
		_ = tx.Rollback(context.WithoutCancel(ctx)) // nothing was done in it
		l.gone = fmt.Errorf("begin a snapshot of PostgreSQL: %w", err)
		return l.gone
	}
	l.tx = tx
	return nil
}

// atWork says what was being done to the jobs when the snapshot was taken.
func (l *look) atWork() (queue.AtWork, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.begin(l.ctx)
	return l.at, err
}

// beginSQL begins a look. To compile its statements takes longer than to run them.
// Without workers beside it a look takes one core of the server at most.
const beginSQL = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = %d;
SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL work_mem = '32MB'; SAVEPOINT look`

// moving says whether a transition was at work when the snapshot was taken, and may be.
func (l *look) moving() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tx != nil && l.at.Transition && time.Now().Before(l.patience)
}

// query runs one statement. One that fails spoils no other: the transaction goes back to
// the savepoint at its start, and since it only reads, nothing is lost.
func (l *look) query(ctx context.Context, sql string, args []any, read func(pgx.Rows) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.begin(ctx); err != nil {
		return err
	}
	// The server's own time-out ends a statement and keeps the connection; this one ends a dead connection.
	ctx, cancel := context.WithTimeout(ctx, l.options.patience())
	defer cancel()
	rows, err := l.tx.Query(ctx, sql, args...)
	if err == nil {
		err = read(rows)
		rows.Close()
		err = cmp.Or(err, rows.Err())
	}
	if err == nil {
		return nil
	}
	if _, lost := l.tx.Exec(ctx, "ROLLBACK TO SAVEPOINT look"); lost != nil || l.tx.Conn().IsClosed() {
		l.gone = fmt.Errorf("the connection to PostgreSQL broke off: %w", err)
		return l.gone
	}
	return err
}

// texts reads a one-column result.
func (l *look) texts(ctx context.Context, sql string, args ...any) ([]string, error) {
	var out []string
	err := l.query(ctx, sql, args, func(rows pgx.Rows) error {
		var err error
		out, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return out, err
}

// row reads one row.
func (l *look) row(ctx context.Context, sql string, args []any, dest ...any) error {
	return l.query(ctx, sql, args, func(rows pgx.Rows) error {
		if !rows.Next() {
			if err := rows.Err(); err != nil {
				return err
			}
			return pgx.ErrNoRows
		}
		return rows.Scan(dest...)
	})
}

// readTables lists our own tables, so that checks on them can tell "not installed" from "cannot be read".
func (l *look) readTables() (map[string]bool, error) {
	names, err := l.texts(l.ctx, `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'leadgenctl' AND c.relkind IN ('r', 'p')`)
	if err != nil {
		return nil, err
	}
	have := make(map[string]bool)
	for _, n := range names {
		have[n] = true
	}
	return have, nil
}

// installed says whether one of our tables is there.
func (l *look) installed(table string) (bool, error) {
	have, err := l.tables()
	return have[table], err
}

// plain is an error for a report: without the statement that met it.
func plain(err error) string {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		switch pe.Code {
		case "57014":
			return pe.Message + " (raise --statement-timeout)"
		case "42501":
			return pe.Message + " (grant the right to this role; see README, Least privilege)"
		}
		return pe.Message
	}
	return err.Error()
}

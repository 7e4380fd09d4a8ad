// Package enumdrop takes a value out of a PostgreSQL enumeration, which PostgreSQL
// itself cannot, while programs read and write the tables that use it.
//
// The value is retired first: renamed, in the same transaction that locks and looks,
// so that nobody can name it any more. Its physical removal then follows by a rewrite
// of the table (small ones) or online: a second column of a new type, kept equal by a
// trigger, back-filled in small batches, and swapped in one short transaction. There
// is no state beside the catalogue: a run that was killed is completed by the next.
package enumdrop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Strategy is a way to drop a value.
type Strategy string

// The strategies.
const (
	Retire  Strategy = "retire"  // rename the value only; undone by the reverse rename
	Rewrite Strategy = "rewrite" // one transaction, the table exclusively locked; for small tables
	Online  Strategy = "online"  // expand and contract; writers wait milliseconds
	Auto    Strategy = "auto"    // Rewrite or Online by the table's size; Retire where neither can
)

// Strategies are all of them, the default first.
var Strategies = []Strategy{Retire, Rewrite, Online, Auto}

// RetiredSuffix is what a retired value has behind its name.
const RetiredSuffix = "__retired"

// Settings of a Dropper. The zero value of each field but Type and Value is usable.
type Settings struct {
	Type  string // the enumeration, such as campaignstatus; found by the search path
	Value string // the label to remove, such as PAUSED
	// LockTimeout bounds each wait for a lock: every reader behind it waits too. 10 ms when zero.
	LockTimeout time.Duration
	// Deadline bounds the tries for one lock. 60 s when zero.
	Deadline time.Duration
	// RewriteLimit is the size in bytes, with indexes, up to which a table may be
	// rewritten under its lock. 8 MiB when zero.
	RewriteLimit int64
	// StatementTimeout bounds each statement of a rewrite. 5 s when zero.
	StatementTimeout time.Duration
	// BatchTime is how long one batch of the back-fill should take, since that is
	// how long a writer of one of its rows may wait. 4 ms when zero.
	BatchTime time.Duration
	// MaxLag halts the back-fill while a replica is further behind. 10 s when zero; no
	// limit when negative.
	MaxLag time.Duration
	// MaxLoad halts the back-fill while more sessions are active than that. 0 for no limit.
	MaxLoad int
	// Progress is told how many of how many rows the back-fill has passed. Nil for none.
	Progress func(done, total int64)
	// Step is called at named points between which a process may die. Nil for none.
	Step func(name string)
}

// Dropper drops one value of one enumeration. Not safe for concurrent use; the caller
// sees to it that no two work on one database.
type Dropper struct {
	pool *pgxpool.Pool
	s    Settings
}

// New returns a Dropper. It connects to nothing.
func New(pool *pgxpool.Pool, s Settings) (*Dropper, error) {
	if pool == nil || s.Type == "" || s.Value == "" {
		return nil, errors.New("enumdrop: a pool, a type and a value are required")
	}
	set(&s.LockTimeout, 10*time.Millisecond)
	set(&s.Deadline, time.Minute)
	set(&s.StatementTimeout, 5*time.Second)
	set(&s.BatchTime, 4*time.Millisecond)
	set(&s.MaxLag, 10*time.Second)
	if s.RewriteLimit == 0 {
		s.RewriteLimit = 8 << 20
	}
	if s.Progress == nil {
		s.Progress = func(int64, int64) {}
	}
	if s.Step == nil {
		s.Step = func(string) {}
	}
	return &Dropper{pool: pool, s: s}, nil
}

func set(d *time.Duration, def time.Duration) {
	if *d == 0 {
		*d = def
	}
}

// RefusedError says why a value cannot be dropped. Nothing was changed, or what was
// changed keeps every row and is completed or abandoned by a later run.
type RefusedError struct {
	Reason string
	Hint   string
}

func (e *RefusedError) Error() string { return e.Reason }

// BlockedError says that a lock could not be had within the deadline.
type BlockedError struct {
	What     string
	Tries    int
	Blockers []string
}

func (e *BlockedError) Error() string {
	by := "a session that this role may not see"
	if len(e.Blockers) > 0 {
		by = strings.Join(e.Blockers, "; ")
	}
	return fmt.Sprintf("%s: no lock after %d tries; blocked by %s", e.What, e.Tries, by)
}

// Choose resolves Auto, and says why.
func (d *Dropper) Choose(inv Inventory, want Strategy) (Strategy, string) {
	if want != Auto {
		return want, "as told"
	}
	switch rewrite, online := inv.Refuses(Rewrite, d.s.RewriteLimit), inv.Refuses(Online, 0); {
	case rewrite == "":
		return Rewrite, fmt.Sprintf("%d bytes are rewritten fast enough (limit %d)", inv.bytes(), d.s.RewriteLimit)
	case online == "":
		return Online, "not by a rewrite: " + rewrite
	default:
		return Retire, "the value cannot be removed physically: " + online
	}
}

// Drop takes the value out. Run again, it completes what was begun, and does nothing
// where the value is gone. A *RefusedError or a *BlockedError where it cannot.
func (d *Dropper) Drop(ctx context.Context, want Strategy) error {
	inv, err := d.Inventory(ctx)
	if err != nil {
		return err
	}
	strategy, _ := d.Choose(inv, want)
	if why := inv.Refuses(strategy, d.s.RewriteLimit); why != "" {
		return &RefusedError{Reason: fmt.Sprintf("%s of type %s cannot be removed by %s: %s", d.s.Value, d.s.Type, strategy, why),
			Hint: "remove what is in the way, or choose --strategy retire, which changes no table"}
	}
	if strategy == Online {
		if err := d.canThrottle(ctx); err != nil {
			return err
		}
	}
	if err := d.retire(ctx, inv); err != nil || strategy == Retire {
		return err
	}
	if inv, err = d.Inventory(ctx); err != nil || !inv.Present {
		return err
	}
	if strategy == Rewrite {
		if err := d.abandon(ctx, inv); err != nil {
			return err
		}
		return d.rewrite(ctx, inv)
	}
	return d.online(ctx, inv)
}

package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/adrg/xdg"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/notify"
)

// Options of an audit.
type Options struct {
	Checks   consistency.Options
	Baseline *consistency.Baseline // known findings; nil for none

	Pool      *pgxpool.Pool // nil where PostgreSQL is away: the state file keeps what was told
	StateFile string        // DefaultStateFile when empty
	Textfile  string        // for node_exporter; "" for none
	PingURL   string        // of a health check; "" for none

	Channels []notify.Channel
	Host     string        // of this process, for the messages
	Keep     time.Duration // how long runs are kept
	Remind   time.Duration // how often an old finding is told again; 0 for never
	Quiet    time.Duration // the least time between two messages on a channel

	FailOn consistency.FailOn // what the health check is told of as a failure
	Warn   func(error)        // told of what went wrong beside the audit
}

// DefaultStateFile is below the user's XDG state folder.
func DefaultStateFile() string { return filepath.Join(xdg.StateHome, "leadgenctl", "audit.json") }

// BusyError says that another audit runs.
type BusyError struct{ Holder string }

func (e *BusyError) Error() string { return "another audit runs: " + e.Holder }

// Delivery is what became of a channel's message.
type Delivery struct {
	Channel string         `json:"channel"`
	Status  DeliveryStatus `json:"status"`
	Events  []Event        `json:"events"`
	Error   string         `json:"error,omitempty"`
}

// DeliveryStatus says what became of a message.
type DeliveryStatus string

// The statuses. What was not sent is told by the next audit.
const (
	Sent   DeliveryStatus = "sent"
	Failed DeliveryStatus = "failed"
	Held   DeliveryStatus = "held" // the channel had its last message a moment ago
	Silent DeliveryStatus = "silent"
)

// Outcome is what an audit did.
type Outcome struct {
	Run        Run                 `json:"run"`
	Stored     bool                `json:"stored"` // in PostgreSQL
	Events     []Event             `json:"events"` // against the run before
	Deliveries []Delivery          `json:"deliveries"`
	Report     *consistency.Report `json:"-"`
}

// Do makes one audit. Another one at work is a *BusyError. The outcome is complete
// where the error is nil; what went wrong beside it is told to Warn.
func Do(ctx context.Context, o Options) (*Outcome, error) {
	if o.StateFile == "" {
		o.StateFile = DefaultStateFile()
	}
	release, err := o.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	ping := newPinger(o.PingURL)
	o.warn(ping.start(ctx))
	out, err := o.audit(ctx)
	if err != nil {
		o.warn(ping.fail(context.WithoutCancel(ctx), err.Error()))
		return nil, err
	}
	if n := out.Report.Failed(o.FailOn); n > 0 || out.Report.Summary.Error > 0 {
		o.warn(ping.fail(ctx, fmt.Sprintf("%d findings, %d checks could not run", n, out.Report.Summary.Error)))
	} else {
		o.warn(ping.success(ctx))
	}
	return out, nil
}

func (o *Options) warn(err error) {
	if err != nil {
		o.Warn(err)
	}
}

// lock keeps a second audit out: in PostgreSQL, for all hosts; else on this host.
func (o *Options) lock(ctx context.Context) (release func(), err error) {
	if o.Pool != nil {
		release, held, err := lock(ctx, o.Pool)
		if err == nil && held != "" {
			return nil, &BusyError{held}
		}
		if err == nil {
			return release, nil
		}
	}
	release, ok, err := stateFile(o.StateFile).lock()
	if err == nil && !ok {
		return nil, &BusyError{"on this host"}
	}
	return release, err
}

func (o *Options) audit(ctx context.Context) (*Outcome, error) {
	started := time.Now().UTC()
	o.sinceLast(ctx)
	report, err := consistency.Run(ctx, o.Checks)
	if err != nil {
		return nil, err
	}
	if o.Baseline != nil {
		o.Baseline.Apply(report, time.Now())
	}
	out := &Outcome{Report: report, Events: []Event{}, Deliveries: []Delivery{},
		Run: Run{StartedAt: started, Host: o.Host, Findings: int64(report.Summary.Fail), Errors: int64(report.Summary.Error)}}
	l, stored := o.load(ctx)
	if stored {
		o.compare(ctx, out)
	}
	for _, c := range o.Channels {
		out.Deliveries = append(out.Deliveries, o.deliver(ctx, c, l, report))
	}
	out.Run.FinishedAt = time.Now().UTC()
	if stored {
		err = l.save(ctx, o.Pool, &out.Run, report, o.Keep)
		o.warn(err)
		out.Stored = err == nil
	}
	// A copy for the time when PostgreSQL is away; there, it is all that there is.
	if err := stateFile(o.StateFile).save(l, !out.Stored); err != nil && (!out.Stored || !errors.Is(err, os.ErrPermission)) {
		o.warn(err)
	}
	if o.Textfile != "" {
		o.warn(o.writeTextfile(ctx, out))
	}
	return out, nil
}

// sinceLast makes events news that happened since the last audit.
func (o *Options) sinceLast(ctx context.Context) {
	if o.Pool == nil || !o.Checks.Since.IsZero() {
		return
	}
	if runs, err := History(ctx, o.Pool, 1); err == nil && len(runs) > 0 {
		o.Checks.Since = runs[0].StartedAt
	}
}

// load reads what the channels were told, and says whether PostgreSQL can be asked.
func (o *Options) load(ctx context.Context) (*ledger, bool) {
	copied := &ledger{}
	newer, err := stateFile(o.StateFile).load(copied)
	if err != nil && (o.Pool == nil || !errors.Is(err, os.ErrPermission)) {
		o.warn(err)
	}
	if o.Pool == nil {
		return copied, false
	}
	l := &ledger{}
	if err := l.load(ctx, o.Pool); err != nil {
		o.warn(err)
		return copied, false
	}
	if newer {
		return copied, true
	}
	return l, true
}

// compare finds what has changed since the run before.
func (o *Options) compare(ctx context.Context, out *Outcome) {
	before := &consistency.Report{}
	runs, err := History(ctx, o.Pool, 1)
	if err == nil && len(runs) > 0 {
		_, before, err = Load(ctx, o.Pool, runs[0].ID)
	}
	if err != nil {
		o.warn(err)
		return
	}
	out.Events = append(out.Events, Diff(before, out.Report, out.Run.StartedAt)...)
}

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
		o.warn(ping.fail(context.WithoutCancel(ctx), "the audit did not end: "+err.Error()))
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
		release, held, err := lock(ctx, o.Pool, o.patience())
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

// patience is how long PostgreSQL may take to answer the audit itself.
func (o *Options) patience() time.Duration {
	if o.Checks.Timeout > 0 {
		return o.Checks.Timeout
	}
	return 10 * time.Second
}

// audit returns the error of an interruption, after which nobody more is told.
func (o *Options) audit(ctx context.Context) (*Outcome, error) {
	began := time.Now().UTC()
	l, stored := o.load(ctx, began)
	channels := []string{log}
	for _, c := range o.Channels {
		channels = append(channels, c.Name())
	}
	if o.Checks.Since.IsZero() {
		if o.Checks.Since = l.since(channels); o.Checks.Since.IsZero() {
			o.Checks.Since = began.Add(-firstLook)
		}
	}
	report, err := consistency.Run(ctx, o.Checks)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	l.forget(report, channels)
	if o.Baseline != nil {
		o.Baseline.Apply(report, time.Now())
	}
	out := &Outcome{Report: report, Events: append([]Event{}, l.record(report, began, began)...), Deliveries: []Delivery{},
		Run: Run{StartedAt: began, Host: o.Host, Findings: int64(report.Summary.Fail), Errors: int64(report.Summary.Error)}}
	for _, c := range o.Channels {
		out.Deliveries = append(out.Deliveries, o.deliver(ctx, c, l, out))
	}
	o.keep(context.WithoutCancel(ctx), l, out, stored)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.Textfile != "" {
		o.warn(o.writeTextfile(ctx, out))
	}
	return out, nil
}

// keep writes down the run, and what was told: in PostgreSQL, with a copy for the time
// when that is away; there, the copy is all that there is.
func (o *Options) keep(ctx context.Context, l *ledger, out *Outcome, stored bool) {
	out.Run.FinishedAt = time.Now().UTC()
	if stored {
		within, cancel := context.WithTimeout(ctx, o.patience())
		defer cancel()
		err := l.save(within, o.Pool, &out.Run, out.Report, o.Keep)
		o.warn(err)
		out.Stored = err == nil
	}
	if err := stateFile(o.StateFile).save(l, out.Stored); err != nil && (!out.Stored || !errors.Is(err, os.ErrPermission)) {
		o.warn(err)
	}
}

// load reads what the channels were told, and says whether PostgreSQL can be asked.
func (o *Options) load(ctx context.Context, now time.Time) (*ledger, bool) {
	copied := &ledger{}
	newer, err := stateFile(o.StateFile).load(copied)
	copied.settle(now)
	if err != nil && (o.Pool == nil || !errors.Is(err, os.ErrPermission)) {
		o.warn(err)
	}
	if o.Pool == nil {
		return copied, false
	}
	ctx, cancel := context.WithTimeout(ctx, o.patience())
	defer cancel()
	l := &ledger{}
	if err := l.load(ctx, o.Pool); err != nil {
		o.warn(err)
		return copied, false
	}
	l.settle(now)
	if newer {
		l.merge(copied)
	}
	return l, true
}

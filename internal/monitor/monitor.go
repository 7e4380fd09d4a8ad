// Package monitor watches the live breaker, the jobs and the outbox: it tells people of
// each transition, of a breaker that stays open, and of tasks that cannot be created,
// and exports metrics.
package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/notify"
	"github.com/leadgenctl/leadgenctl/internal/output"
	"github.com/leadgenctl/leadgenctl/queue"
)

// Options of a Monitor.
type Options struct {
	Breaker  *breaker.Breaker
	Queue    *queue.Manager
	Pool     *pgxpool.Pool
	Channels []notify.Channel

	StateFile string        // what was told; survives a restart
	Interval  time.Duration // between two looks at everything; 15 s when zero
	MaxOpen   time.Duration // a breaker that is open longer is told; 1 h when zero
	Remind    time.Duration // how often that is told again; 24 h when zero
	Host      string
	Warn      func(error) // told of what goes wrong; called from several goroutines
}

// Monitor is one that runs. Its methods are safe for concurrent use.
type Monitor struct {
	o       Options
	metrics *metrics
	release func() // of the state's lock

	wake map[string]chan struct{} // by channel: there is something to tell

	looking sync.Mutex // guards the metrics of the breaker

	mu     sync.Mutex // guards what follows
	state  state
	health Health
}

// BusyError says that another monitor runs with the same state.
type BusyError struct{ StateFile string }

func (e *BusyError) Error() string {
	return fmt.Sprintf("another monitor runs with the state file %s", e.StateFile)
}

// New returns a monitor that goes on where the one before ended. It holds the state until
// Run ends; a second one gets a *BusyError.
func New(o Options) (*Monitor, error) {
	if o.Interval == 0 {
		o.Interval = 15 * time.Second
	}
	if o.MaxOpen == 0 {
		o.MaxOpen = time.Hour
	}
	if o.Remind == 0 {
		o.Remind = 24 * time.Hour
	}
	m := &Monitor{o: o, metrics: newMetrics(), wake: map[string]chan struct{}{}}
	for _, c := range o.Channels {
		m.wake[c.Name()] = make(chan struct{}, 1)
		for _, result := range []string{sent, failed, dropped} { // from 0 on, so that the first one is an increase
			m.metrics.notifications.WithLabelValues(c.Name(), result)
		}
	}
	release, free, err := output.Lock(o.StateFile)
	if err != nil {
		return nil, fmt.Errorf("lock the monitor's state: %w", err)
	}
	if !free {
		return nil, &BusyError{o.StateFile}
	}
	m.release = release
	if err := m.state.load(o.StateFile); err != nil {
		release()
		return nil, err
	}
	m.state.Pending = slices.DeleteFunc(m.state.Pending, func(p pending) bool { return m.wake[p.Channel] == nil }) // no longer configured
	return m, nil
}

// Run watches until ctx is done.
func (m *Monitor) Run(ctx context.Context) error {
	defer m.release()
	if err := m.begin(ctx); err != nil {
		return err
	}
	var wg sync.WaitGroup
	wg.Go(func() { m.watch(ctx) })
	for _, c := range m.o.Channels {
		wg.Go(func() { m.deliver(ctx, c) })
	}
	wg.Go(func() {
		for {
			m.look(ctx)
			select {
			case <-ctx.Done():
				return
			case <-time.After(m.o.Interval):
			}
		}
	})
	wg.Wait()
	return ctx.Err()
}

// begin notes where the first monitor starts: what lies there already is not news.
func (m *Monitor) begin(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state.Position.After != "" {
		return nil
	}
	m.state.Position.After = "0-0"
	events, err := m.o.Breaker.History(ctx, breaker.Filter{})
	for _, e := range events {
		if e.Epoch > 0 {
			m.state.Position.After, m.state.Position.Epoch = e.ID, e.Epoch
		}
	}
	if err == nil && m.o.Pool != nil {
		err = m.o.Pool.QueryRow(ctx, lastFailureSQL).Scan(&m.state.Failures)
	}
	if err != nil {
		m.state.Position = breaker.Position{}
		return fmt.Errorf("begin to monitor: %w", err)
	}
	return m.state.save(m.o.StateFile)
}

const lastFailureSQL = "SELECT coalesce(max(id), 0) FROM leadgenctl.dispatch_failures"

// watch tells each transition and each loss as it happens.
func (m *Monitor) watch(ctx context.Context) {
	m.mu.Lock()
	at := m.state.Position
	m.mu.Unlock()
	for e, err := range m.o.Breaker.WatchFrom(ctx, &at) {
		switch {
		case err != nil:
			m.o.Warn(err)
		case e.Transition():
			m.countTransition(ctx, e)
			msg, waits := m.transition(ctx, e, at)
			m.tellIf(func(s *state) (notify.Message, bool) {
				if s.Lost {
					msg.Incidents = append(msg.Incidents, notify.Incident{Key: lostKey, Summary: msg.Title, Severity: notify.Info, Resolved: true})
				}
				s.Position, s.Lost, s.OpenTold, s.Waits = at, false, time.Time{}, waits
				return msg, true
			})
		case e.Kind == breaker.EventLost:
			m.tellIf(func(s *state) (notify.Message, bool) {
				told := s.Lost
				s.Position, s.Lost, s.Unrecorded = at, true, e.Epoch == 0
				return m.lost(e), !told
			})
		case e.Kind == breaker.EventRestored:
			m.tellIf(func(s *state) (notify.Message, bool) {
				told := s.Lost
				s.Position, s.Lost = at, false
				return m.found(e), told || e.State == breaker.Open // else it only caught up
			})
		}
	}
}

// transition is the message of an event, critical when the breaker opens, and what it
// could not tell yet.
func (m *Monitor) transition(ctx context.Context, e breaker.Event, at breaker.Position) (notify.Message, *waits) {
	msg := notify.Message{Event: "breaker_" + string(e.Kind), Severity: notify.Info, Title: "The global circuit breaker is closed", Host: m.o.Host, At: e.At}
	w := &waits{e.Epoch, at.Epoch, e.State, e.At}
	jobs, moved := m.jobs(ctx, *w)
	if e.State == breaker.Open {
		msg.Severity, msg.Title = notify.Critical, "The global circuit breaker is OPEN"
	}
	msg.Text = "by " + by(e)
	if e.Service != "" {
		msg.Text += "; service " + e.Service
	}
	msg.Title += because(e.Reason)
	switch {
	case moved:
		msg.Text += fmt.Sprintf("; %d jobs %s", jobs, w.verb())
		w = nil
	case e.Epoch == 0 && !at.Pending: // back to what is recorded, which they have followed
		msg.Text += "; the jobs stay as they were"
		w = nil
	default:
		msg.Text += "; the jobs have not followed yet"
	}
	if e.State == breaker.Open {
		msg.Text += "\nOnly a person closes it: leadgenctl breaker close"
	}
	msg.Details = map[string]any{"state": e.State, "epoch": e.Epoch, "reason": e.Reason, "service": e.Service, "error_type": e.ErrorType,
		"actor": e.Actor, "source": e.Source, "opened_at": e.OpenedAt, "jobs": jobs, "jobs_followed": moved}
	msg.Incidents = []notify.Incident{{Key: "leadgenctl/breaker", Summary: msg.Title + " (" + msg.Text + ")", Severity: msg.Severity, Resolved: e.State == breaker.Closed}}
	msg.Text = output.Printable(msg.Text)
	return msg, w
}

// by names who made a transition.
func by(e breaker.Event) string {
	switch {
	case e.Actor != "":
		return e.Actor
	case e.Source == breaker.SourcePython:
		return "another program"
	}
	return e.Source
}

// lookTime is how long one look may take.
const lookTime = 30 * time.Second

// look reads everything once: for the metrics, and for what is told of a state and not
// of an event.
func (m *Monitor) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookTime) // a server that is frozen does not answer at all
	defer cancel()
	look := Health{At: time.Now().UTC(), Servers: map[string]string{}}
	recorded := m.recorded(ctx)
	st, err := m.lookAtBreaker(ctx)
	var malformed *breaker.MalformedError
	if look.server("redis", err); err == nil {
		m.compare(recorded, st)
		m.stillOpen(st)
	} else if errors.As(err, &malformed) {
		m.o.Warn(err)
	}
	err = m.lookAtJobs(ctx)
	look.server("postgres", err)
	m.followed(ctx)
	s, err := m.o.Queue.Status(ctx)
	if err == nil {
		look.server("broker", s.BrokerErr)
		m.metrics.queue(s)
	}
	for _, name := range []string{"redis", "postgres", "broker"} {
		m.metrics.server(name, look.Servers)
	}
	m.metrics.looked.SetToCurrentTime()
	m.mu.Lock()
	m.health = look
	m.mu.Unlock()
}

// lookAtBreaker reads the breaker into the metrics, one look at a time, so that an older
// one does not overwrite a newer.
func (m *Monitor) lookAtBreaker(ctx context.Context) (breaker.Status, error) {
	m.looking.Lock()
	defer m.looking.Unlock()
	st, err := m.o.Breaker.State(ctx)
	if err == nil {
		m.metrics.breaker(st)
	}
	return st, err
}

// countTransition sees to it that what the metrics say of the breaker is no older than their count.
func (m *Monitor) countTransition(ctx context.Context, e breaker.Event) {
	ctx, cancel := context.WithTimeout(ctx, followTime)
	defer cancel()
	if _, err := m.lookAtBreaker(ctx); err != nil {
		m.o.Warn(fmt.Errorf("look at the breaker after a transition: %w", err))
	}
	m.metrics.transitions.WithLabelValues(string(e.State)).Inc()
}

// stillOpen tells of a breaker that stays open, once and then as a reminder.
func (m *Monitor) stillOpen(st breaker.Status) {
	m.mu.Lock()
	last := m.state.OpenTold
	m.mu.Unlock()
	since := st.OpenedAt
	if st.State != breaker.Open || st.Lost || since.IsZero() || time.Since(since) < m.o.MaxOpen || time.Since(last) < m.o.Remind {
		return
	}
	age := time.Since(since).Round(time.Second)
	m.tell(notify.Message{Event: "breaker_open_for_long", Severity: notify.Error, Host: m.o.Host, At: time.Now().UTC(),
		Title:   fmt.Sprintf("The global circuit breaker has been open for %s", age),
		Text:    fmt.Sprintf("since %s: %s\nOnly a person closes it: leadgenctl breaker close", since.Format(time.RFC3339), output.OneLine(st.Reason)),
		Details: map[string]any{"opened_at": since, "reason": st.Reason, "service": st.Service, "epoch": st.Epoch},
		Incidents: []notify.Incident{{Key: "leadgenctl/breaker", Severity: notify.Error,
			Summary: fmt.Sprintf("The global circuit breaker has been open for %s: %s", age, output.OneLine(st.Reason))}}},
		func(s *state) { s.OpenTold = time.Now().UTC() })
}

// lookAtJobs tells of tasks that could not be created since the last look.
func (m *Monitor) lookAtJobs(ctx context.Context) error {
	if m.o.Pool == nil {
		return queue.ErrNoDatabase
	}
	m.mu.Lock()
	after := m.state.Failures
	m.mu.Unlock()
	var n, total, last int64
	var sample *string
	err := m.o.Pool.QueryRow(ctx, `SELECT count(*) FILTER (WHERE id > $1), count(*), coalesce(max(id), $1),
			(array_agg(format('job %s: %s', job_id, error) ORDER BY id DESC) FILTER (WHERE id > $1))[1]
		FROM leadgenctl.dispatch_failures`, after).Scan(&n, &total, &last, &sample)
	if err != nil {
		return err
	}
	m.metrics.failures.Set(float64(total))
	if n == 0 {
		return nil
	}
	m.tell(notify.Message{Event: "task_creation_failed", Severity: notify.Error, Host: m.o.Host, At: time.Now().UTC(),
		Title:   fmt.Sprintf("The tasks of %d jobs could not be created", n),
		Text:    fmt.Sprintf("the last: %s\nTry them again: leadgenctl queue retry --failed-since 1h", output.OneLine(*sample)),
		Details: map[string]any{"jobs": n, "last": *sample}},
		func(s *state) { s.Failures = last })
	return nil
}

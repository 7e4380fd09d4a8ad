package breakercmd

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
)

type statusOptions struct {
	f   *cmdutil.Factory
	now func() time.Time
}

func newStatus(f *cmdutil.Factory, run func(context.Context, statusOptions) error) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show whether the breaker is open, since when, why, and who opened or closed it",
		Long: `Show whether the breaker is open, since when, why, and who opened or closed it.

Warns about what needs a person: a time to live that would close the breaker
unseen, a lost key, keys of the old per-service breakers, jobs that do not follow
the breaker. It only reads, and shows the breaker also where PostgreSQL cannot be
reached; then "jobs" is null, as "legacy_keys" is where the Redis user may not see
other keys.`,
		Example: "  leadgenctl breaker status\n  leadgenctl breaker status -o json | jq -r .state",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), statusOptions{f: f, now: time.Now})
		},
	}
}

// status is the documented shape of `breaker status -o json`.
type status struct {
	State       breaker.State `json:"state"`
	OpenedAt    *time.Time    `json:"opened_at"`
	ClosedAt    *time.Time    `json:"closed_at"`
	Reason      string        `json:"reason"`
	Service     string        `json:"service"`
	ErrorType   string        `json:"error_type"`
	Actor       string        `json:"actor"`
	Source      string        `json:"source"`
	Epoch       int64         `json:"epoch"`
	ForSeconds  *float64      `json:"for_seconds"` // how long it has been in this state; null where unknown
	Failures    int64         `json:"failures"`
	LastFailure *failure      `json:"last_failure"`
	Key         string        `json:"key"`
	Exists      bool          `json:"exists"`
	Lost        bool          `json:"lost"`
	Adopted     bool          `json:"adopted"` // false: another program wrote this state, and it has no epoch yet
	TTLSeconds  *float64      `json:"ttl_seconds"`
	LegacyKeys  []string      `json:"legacy_keys"`
	Jobs        *jobs         `json:"jobs"`
	Warnings    []string      `json:"warnings"`

	since time.Time
}

type failure struct {
	Service   string     `json:"service"`
	Error     string     `json:"error"`
	ErrorType string     `json:"error_type"`
	At        *time.Time `json:"at"`
}

func runStatus(ctx context.Context, o statusOptions) error {
	f := o.f
	c, err := f.Config()
	if err != nil {
		return err
	}
	b, err := connect(ctx, f)
	if err != nil {
		return err
	}
	// PostgreSQL answers, or keeps us waiting, while Redis is read.
	var count *jobs
	var countErr error
	var wg sync.WaitGroup
	wg.Go(func() { count, countErr = countJobs(ctx, f, b) })
	st, err := b.State(ctx)
	if err != nil {
		return classify(err)
	}
	client, err := f.Redis(ctx)
	if err != nil {
		return err
	}
	legacy, legacyErr := legacyKeys(ctx, client, c.Services)
	wg.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s := statusOf(st, b.Keys().Breaker, o.now())
	s.LegacyKeys, s.Jobs = legacy, count
	s.Warnings = s.warnings(legacyErr, countErr)
	for _, w := range s.Warnings {
		f.IO.Warnf("%s", w)
	}
	return f.Print(s, func(w io.Writer) error { return s.write(f, w, o.now()) })
}

func statusOf(st breaker.Status, key string, now time.Time) status {
	s := status{State: st.State, OpenedAt: moment(st.OpenedAt), ClosedAt: moment(st.ClosedAt), Reason: st.Reason, Service: st.Service,
		ErrorType: st.ErrorType, Actor: st.Actor, Source: st.Source, Epoch: st.Epoch, Failures: st.Failures,
		Key: key, Exists: st.Exists, Lost: st.Lost, Adopted: !st.Pending, since: st.ClosedAt}
	if st.State == breaker.Open {
		s.since = st.OpenedAt
	}
	if !s.since.IsZero() {
		s.ForSeconds = seconds(now.Sub(s.since))
	}
	if st.TTL > 0 {
		s.TTLSeconds = seconds(st.TTL)
	}
	if l := st.LastFailure; l != (breaker.Failure{}) {
		s.LastFailure = &failure{l.Service, l.Error, l.ErrorType, moment(l.At)}
	}
	return s
}

// moment is t for JSON: null for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func seconds(d time.Duration) *float64 {
	s := float64(d.Milliseconds()) / 1000
	return &s
}

func (s status) warnings(legacyErr, jobsErr error) []string {
	warnings := []string{}
	add := func(format string, a ...any) { warnings = append(warnings, fmt.Sprintf(format, a...)) }
	if s.TTLSeconds != nil && s.State == breaker.Open {
		add("the key expires in %s, which would close the breaker for the app; remove the time to live: leadgenctl reconcile",
			cmdutil.Age(time.Duration(*s.TTLSeconds*float64(time.Second))))
	}
	if s.Lost {
		add("the key %s is gone although nobody closed the breaker: the app takes it for closed; put it back: leadgenctl reconcile", s.Key)
	}
	if !s.Adopted {
		add("another program made the breaker %s; record it and let the jobs follow: leadgenctl reconcile", s.State)
	}
	if legacyErr != nil {
		add("%v", cmdutil.Explain(legacyErr)) // an ACL user may see no more than the breaker
	}
	if n := len(s.LegacyKeys); n > 0 {
		add("keys of the old per-service breakers are left: %d (%s); carry them over: leadgenctl migrate-state", n, some(s.LegacyKeys))
	}
	switch {
	case jobsErr != nil:
		add("the jobs could not be counted: %v", jobsErr)
	case s.Jobs == nil:
	case s.State == breaker.Open && s.Jobs.active() > 0:
		add("active although the breaker is open: %s; pause them: leadgenctl reconcile", count(s.Jobs.active()))
	case s.State == breaker.Closed && s.Jobs.Paused > 0 && s.Epoch == 0:
		add("paused, and not by the global breaker, which was never open: %s", count(s.Jobs.Paused))
	case s.State == breaker.Closed && s.Jobs.Paused > 0:
		add("paused although the breaker is closed: %s; resume them: leadgenctl reconcile", count(s.Jobs.Paused))
	}
	return warnings
}

// some names the first three.
func some(names []string) string {
	if len(names) > 3 {
		return strings.Join(names[:3], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

func (s status) write(f *cmdutil.Factory, w io.Writer, now time.Time) error {
	since := ""
	if !s.since.IsZero() {
		since = fmt.Sprintf("%s (%s)", cmdutil.Time(s.since), cmdutil.Age(now.Sub(s.since)))
	}
	state := string(s.State)
	if s.Epoch == 0 && s.Adopted {
		state += " (it was never open)"
	}
	pairs := [][2]string{{"State", state}, {"Since", since}, {"Reason", s.Reason}, {"Error type", s.ErrorType},
		{"Service", s.Service}, {"By", s.Actor}, {"Written by", foreign(s.Source)}, {"Failures", s.failures(now)}}
	if s.State == breaker.Closed && s.OpenedAt != nil {
		pairs = append(pairs, [2]string{"Last opened", cmdutil.Time(*s.OpenedAt)})
	}
	if s.Epoch > 0 {
		pairs = append(pairs, [2]string{"Epoch", fmt.Sprint(s.Epoch)})
	}
	if s.Jobs != nil {
		pairs = append(pairs, [2]string{"Jobs", fmt.Sprintf("%d paused, %d pending, %d processing", s.Jobs.Paused, s.Jobs.Pending, s.Jobs.Processing)})
	}
	var b strings.Builder
	if err := f.Fields(&b, pairs...); err != nil {
		return err
	}
	_, err := io.WriteString(w, strings.Replace(b.String(), state, paint(f, s.State, state), 1)) // fields have no colours
	return err
}

func (s status) failures(now time.Time) string {
	if s.LastFailure == nil || s.State != breaker.Open {
		return ""
	}
	l := s.LastFailure
	text := fmt.Sprint(s.Failures)
	if l.At != nil {
		text += ", the latest " + cmdutil.Age(now.Sub(*l.At)) + " ago"
	}
	if l.Error != s.Reason {
		text += ": " + l.Error
		if l.Service != "" {
			text += " (" + l.Service + ")"
		}
	}
	return text
}

// foreign names a source that is worth a word.
func foreign(source string) string {
	if source == breaker.SourceLeadgenctl {
		return ""
	}
	return source
}

// paint colours text as the state: red while open, green while closed.
func paint(f *cmdutil.Factory, s breaker.State, text string) string {
	if !f.IO.Color() {
		return text
	}
	colour := "\x1b[32m"
	if s == breaker.Open {
		colour = "\x1b[31m"
	}
	return colour + text + "\x1b[0m"
}

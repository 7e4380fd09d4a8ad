package breakercmd

import (
	"context"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
)

type historyOptions struct {
	f              *cmdutil.Factory
	since, service string
	limit          int
	now            func() time.Time
}

func newHistory(f *cmdutil.Factory, run func(context.Context, historyOptions) error) *cobra.Command {
	o := historyOptions{f: f, now: time.Now}
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List the breaker's transitions, oldest first",
		Long: `List the breaker's transitions, oldest first, and the failures, states and pauses
that migrate-state carried over from the per-service breakers ("legacy_…", with
the times at which they happened). Redis keeps about the last 10000.`,
		Example: "  leadgenctl breaker history --since 24h\n  leadgenctl breaker history --service apollo --limit 0 -o json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.since, "since", "", "only from then on: an age (90m, 24h, 7d) or a time (2026-01-05, 2026-01-05T10:20:41Z)")
	cmd.Flags().StringVar(&o.service, "service", "", "only events of this service")
	cmd.Flags().IntVar(&o.limit, "limit", 100, "the newest so many; 0 for all")
	return cmd
}

func runHistory(ctx context.Context, o historyOptions) error {
	since, err := parseSince(o.since, o.now())
	if err != nil {
		return err
	}
	if o.limit < 0 {
		return exit.Usagef("--limit %d is negative; 0 lists all", o.limit)
	}
	b, err := connect(ctx, o.f)
	if err != nil {
		return err
	}
	found, err := b.History(ctx, breaker.Filter{Since: since, Service: o.service, Limit: o.limit})
	if err != nil {
		return classify(err)
	}
	events := make([]event, len(found))
	rows := make([][]string, len(found))
	for i, e := range found {
		events[i] = eventOf(e)
		rows[i] = events[i].row()
	}
	if len(events) == 0 {
		o.f.IO.Infof("no transitions")
		if o.f.Output == "table" {
			return nil
		}
	}
	return o.f.Print(map[string]any{"events": events}, func(w io.Writer) error {
		return o.f.Table(w, []string{"time", "event", "epoch", "service", "type", "by", "reason"}, rows)
	})
}

func (e event) row() []string {
	return []string{e.at(), string(e.Kind), e.epoch(), orDash(e.Service), orDash(e.ErrorType), e.who(), orDash(e.why())}
}

// parseSince reads an age or a time; "" is the beginning.
func parseSince(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(n)), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil {
		if d < 0 {
			return time.Time{}, exit.Usagef("--since %s: an age is not negative", s)
		}
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, nil
	}
	if t, err := breaker.ParseTimestamp(s); err == nil {
		return t, nil
	}
	return time.Time{}, exit.Usagef("--since %q: neither an age (90m, 24h, 7d) nor a time (2026-01-05, 2026-01-05T10:20:41Z)", s)
}

package audit

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/notify"
)

// deliver tells one channel what it does not know yet. What was not delivered it is
// owed: the next audit makes the message anew, also of what is over by then.
func (o *Options) deliver(ctx context.Context, c notify.Channel, l *ledger, out *Outcome) Delivery {
	now, r := time.Now().UTC(), out.Report
	d := Delivery{Channel: c.Name(), Status: Silent, Events: []Event{}}
	d.Events = append(d.Events, events(r, l.told(c.Name()), o.Remind, now)...)
	l.shrink(c.Name(), r)
	if len(d.Events) == 0 {
		l.saw(c.Name(), r, out.Run.StartedAt)
		return d
	}
	l.begin(c.Name(), r, o.Checks.Since)
	if last, ok := l.notices[c.Name()][""]; ok && now.Sub(last.ToldAt) < o.Quiet {
		d.Status = Held
		l.owe(c.Name(), r, d.Events, now)
		return d
	}
	err := ctx.Err()
	if err == nil {
		err = c.Send(ctx, o.message(d.Events, now))
	}
	if err != nil {
		d.Status, d.Error = Failed, err.Error()
		l.owe(c.Name(), r, d.Events, now)
		return d
	}
	d.Status = Sent
	l.heard(c.Name(), r, d.Events, now)
	l.saw(c.Name(), r, out.Run.StartedAt)
	l.add(Notice{Channel: c.Name(), ToldAt: now, Since: now})
	return d
}

// severities of the checks, in the words of notifications.
var severities = map[consistency.Severity]notify.Severity{consistency.Error: notify.Error, consistency.Warning: notify.Warning, consistency.Info: notify.Info}

func (o *Options) message(events []Event, now time.Time) notify.Message {
	m := notify.Message{Event: "audit", Severity: notify.Info, Host: o.Host, At: now, Details: map[string]any{"events": events}}
	counts := map[Kind]int{}
	var text strings.Builder
	for _, e := range events {
		counts[e.Kind]++
		severity := severities[e.Severity]
		if e.Kind != Resolved && (severity == notify.Error || m.Severity == notify.Info) {
			m.Severity = severity
		}
		fmt.Fprintln(&text, e)
		for _, s := range e.Samples {
			fmt.Fprintln(&text, "  "+s)
		}
		if e.Remedy != "" {
			fmt.Fprintln(&text, "  What to do: "+e.Remedy)
		}
		m.Incidents = append(m.Incidents, notify.Incident{Key: "leadgenctl/audit/" + e.Check, Summary: e.String(), Severity: severity, Resolved: e.Kind == Resolved})
	}
	var parts []string
	for _, k := range []Kind{New, Worse, Reminder, Resolved} {
		if n := counts[k]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, k))
		}
	}
	m.Title = "leadgenctl audit: " + strings.Join(parts, ", ")
	m.Text = strings.TrimRight(text.String(), "\n")
	return m
}

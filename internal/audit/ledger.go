package audit

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ledger is what the channels were told, and where that is kept.
type ledger struct {
	notices map[string]map[string]Notice // by channel and check; check "" is the channel's last message
	copied  time.Time                    // of a copy: when it was last the same as PostgreSQL's
}

func (l *ledger) add(n Notice) {
	if l.notices == nil {
		l.notices = map[string]map[string]Notice{}
	}
	if l.notices[n.Channel] == nil {
		l.notices[n.Channel] = map[string]Notice{}
	}
	l.notices[n.Channel][n.Check] = n
}

func (l *ledger) remove(channel, check string) { delete(l.notices[channel], check) }

// all are the notices in order.
func (l *ledger) all() []Notice {
	out := []Notice{}
	for _, byCheck := range l.notices {
		out = append(out, slices.Collect(maps.Values(byCheck))...)
	}
	slices.SortFunc(out, func(a, b Notice) int {
		return cmp.Or(strings.Compare(a.Channel, b.Channel), strings.Compare(a.Check, b.Check))
	})
	return out
}

// told are the notices of a channel by check.
func (l *ledger) told(channel string) map[string]Notice {
	out := map[string]Notice{}
	for id, n := range l.notices[channel] {
		if id != "" {
			out[id] = n
		}
	}
	return out
}

func (l *ledger) load(ctx context.Context, pool *pgxpool.Pool) error {
	rows, err := pool.Query(ctx, "SELECT channel, check_id, count, since, told_at, subjects, seen FROM leadgenctl.audit_notices")
	if err != nil {
		return fmt.Errorf("read what was told: %w", err)
	}
	var n Notice
	var seen *time.Time
	_, err = pgx.ForEachRow(rows, []any{&n.Channel, &n.Check, &n.Count, &n.Since, &n.ToldAt, &n.Subjects, &seen}, func() error {
		if n.Seen = (time.Time{}); seen != nil {
			n.Seen = *seen
		}
		n.Subjects = slices.Clone(n.Subjects)
		l.add(n)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read what was told: %w", err)
	}
	return nil
}

// merge takes over what a copy learned while PostgreSQL was away. Of what both know the
// later one counts: another host may have audited meanwhile. What only one knows, the
// other has resolved if it knew it when the two were last the same.
func (l *ledger) merge(c *ledger) {
	for channel, byCheck := range l.notices {
		for check, n := range byCheck {
			if _, ok := c.notices[channel][check]; !ok && !n.at().After(c.copied) {
				l.remove(channel, check)
			}
		}
	}
	for _, n := range c.all() {
		was, ok := l.notices[n.Channel][n.Check]
		if ok && n.at().After(was.at()) || !ok && n.at().After(c.copied) {
			l.add(n)
		}
	}
}

// at is when the notice last changed.
func (n Notice) at() time.Time {
	if n.Seen.After(n.ToldAt) {
		return n.Seen
	}
	return n.ToldAt
}

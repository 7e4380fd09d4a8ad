package migratestatecmd

import (
	"fmt"
	"io"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/output"
	"github.com/leadgenctl/leadgenctl/migrate/state"
)

// view is the JSON of a plan and of a migration.
type view struct {
	Applied       bool          `json:"applied"`
	Snapshot      *string       `json:"snapshot"` // null where none was taken
	State         breaker.State `json:"state"`
	PreviousState *string       `json:"previous_state"` // of the global key; null where there was none
	OpenedAt      *time.Time    `json:"opened_at"`
	Reasons       []string      `json:"reasons"`
	Epoch         int64         `json:"epoch"`
	Rounds        int           `json:"rounds"` // more than 1 where old workers wrote meanwhile
	Keys          []keyView     `json:"keys"`
	Left          int           `json:"left"` // all keys that are left, also those too many to list
	Follow        *followView   `json:"follow,omitempty"`
}

type keyView struct {
	Key        string   `json:"key"`
	Type       string   `json:"type"`
	TTLSeconds *float64 `json:"ttl_seconds"` // null for no time to live
	Service    string   `json:"service"`
	State      string   `json:"state"`
	Action     string   `json:"action"`
	Note       string   `json:"note,omitempty"`
}

func planned(p *state.Plan) *view {
	v := &view{State: p.After.State, OpenedAt: openedAt(p.After.State, p.After.OpenedAt), Reasons: p.Verdict.Reasons,
		Epoch: p.Before.Epoch, Keys: keyViews(p.Keys), Left: p.Left}
	if v.Reasons == nil {
		v.Reasons = []string{}
	}
	if p.Before.Exists || p.Before.Lost {
		s := string(p.Before.State)
		v.PreviousState = &s
	}
	if p.NothingToDo() {
		v.State, v.OpenedAt = p.Before.State, openedAt(p.Before.State, p.Before.OpenedAt)
	}
	return v
}

func done(p *state.Plan, r *state.Result) *view {
	v := planned(p)
	v.Applied, v.Rounds, v.Keys = r.Applied, r.Rounds, keyViews(r.Keys)
	if r.Applied {
		v.State, v.OpenedAt, v.Epoch = r.Status.State, openedAt(r.Status.State, r.Status.OpenedAt), r.Status.Epoch
	}
	if r.Snapshot != "" {
		v.Snapshot = &r.Snapshot
	}
	return v
}

// openedAt is since when the breaker is open; nil for a closed one.
func openedAt(s breaker.State, t time.Time) *time.Time {
	if s != breaker.Open || t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func keyViews(keys []state.KeyPlan) []keyView {
	views := make([]keyView, len(keys))
	for i, k := range keys {
		views[i] = keyView{Key: k.Key, Type: k.Type, Service: k.Service, State: k.State, Action: k.Action, Note: k.Note}
		if k.TTL != state.NoExpiry {
			s := k.TTL.Seconds()
			views[i].TTLSeconds = &s
		}
	}
	return views
}

// planText is the plan for a person.
func planText(f *cmdutil.Factory, w io.Writer, p *state.Plan) error {
	if len(p.Keys) > 0 {
		if err := keyTable(f, w, p.Keys); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	if more := p.Left - left(p.Keys); more > 0 {
		fmt.Fprintf(w, "%d more keys look alike and are left.\n", more)
	}
	if p.NothingToDo() {
		_, err := fmt.Fprintf(w, "Nothing to do: no old keys, and the global breaker is %s%s.\n", p.Before.State, since(p.Before.State, p.Before.OpenedAt))
		return err
	}
	before := "absent"
	switch {
	case p.Before.Lost:
		before = "lost, but open when it was last known"
	case p.Before.Exists:
		before = string(p.Before.State) + since(p.Before.State, p.Before.OpenedAt)
	}
	fmt.Fprintf(w, "Global breaker: %s -> %s%s\n", before, p.After.State, since(p.After.State, p.After.OpenedAt))
	for _, r := range p.Verdict.Reasons {
		fmt.Fprintf(w, "  %s\n", output.OneLine(r))
	}
	if len(p.Verdict.Reasons) == 0 {
		fmt.Fprintln(w, "  no old key says otherwise")
	}
	return nil
}

func left(keys []state.KeyPlan) int {
	n := 0
	for _, k := range keys {
		if k.Action == state.ActionLeave {
			n++
		}
	}
	return n
}

// keyTable fits 80 columns on a terminal of that width: the service is the end of
// the key's name, so its column is the one to go.
func keyTable(f *cmdutil.Factory, w io.Writer, keys []state.KeyPlan) error {
	const narrow = 100
	short := f.IO.OutIsTerminal() && f.IO.Width() < narrow
	header := []string{"key", "type", "ttl", "service", "state", "action"}
	if short {
		header = []string{"key", "type", "ttl", "state", "action"}
	}
	rows := make([][]string, len(keys))
	for i, k := range keys {
		life := "-"
		if k.TTL != state.NoExpiry {
			life = cmdutil.Age(k.TTL)
		}
		rows[i] = []string{k.Key, k.Type, life, dash(k.Service), dash(k.State), k.Action}
		if short {
			rows[i] = []string{k.Key, k.Type, life, dash(k.State), k.Action}
		}
	}
	if err := f.Table(w, header, rows); err != nil {
		return err
	}
	for _, k := range keys {
		if k.Note != "" {
			fmt.Fprintf(w, "  %s\n", output.OneLine(k.Key+": "+k.Note))
		}
	}
	return nil
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// doneText says what a migration did.
func doneText(w io.Writer, r *state.Result) error {
	n := 0
	for _, k := range r.Keys {
		if k.Action == state.ActionMigrated {
			n++
		}
	}
	fmt.Fprintf(w, "\nDone: the global breaker is %s%s; %d old keys carried and deleted.\n", r.Status.State, since(r.Status.State, r.Status.OpenedAt), n)
	if r.Rounds > 1 {
		fmt.Fprintf(w, "Old workers wrote meanwhile; it was planned %d times. Follow them with --follow.\n", r.Rounds)
	}
	_, err := fmt.Fprintf(w, "Snapshot %s; back with: leadgenctl migrate-state --rollback %s\n", r.Snapshot, r.Snapshot)
	return err
}

func since(s breaker.State, t time.Time) string {
	if s != breaker.Open || t.IsZero() {
		return ""
	}
	return " since " + cmdutil.Time(t)
}

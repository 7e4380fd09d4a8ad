package snapshotcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/operations"
	"github.com/leadgenctl/leadgenctl/migrate/state"
)

// shown is a snapshot as JSON: the values as text where they are text.
type shown struct {
	ID        string         `json:"id"`
	Kind      string         `json:"kind"`
	CreatedAt time.Time      `json:"created_at"`
	Actor     string         `json:"actor,omitempty"`
	Source    state.Identity `json:"source"`
	Location  string         `json:"location"`
	Damaged   string         `json:"damaged,omitempty"`
	Global    *shownKey      `json:"global"` // null where there was none
	Keys      []shownKey     `json:"keys"`
}

type shownKey struct {
	Key         string         `json:"key"`
	Type        string         `json:"type"`
	TTLSeconds  *float64       `json:"ttl_seconds"`  // left when the snapshot was taken; null for none
	LeftSeconds *float64       `json:"left_seconds"` // of it now; null for none
	Service     string         `json:"service,omitempty"`
	State       string         `json:"state,omitempty"`
	Value       string         `json:"value,omitempty"`
	Members     []state.Scored `json:"members,omitempty"`
}

func newShow(f *cmdutil.Factory) *cobra.Command {
	var store StoreFlags
	cmd := &cobra.Command{
		Use:     "show ID|latest",
		Short:   "Show what is in a snapshot, or what --fix changed and how it is now",
		Example: "  leadgenctl snapshot show latest\n  leadgenctl snapshot show latest -o json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if operations.IsID(args[0]) {
				v, err := showOperation(cmd.Context(), f, args[0])
				if err != nil {
					return err
				}
				return f.Print(v, func(w io.Writer) error { return operationTable(f, w, v) })
			}
			s, err := store.Open(cmd.Context(), f)
			if err != nil {
				return err
			}
			view, failed := show(cmd.Context(), s, args[0])
			if view == nil {
				return Explain(failed)
			}
			err = f.Print(view, func(w io.Writer) error { return showTable(f, w, view) })
			return errors.Join(err, Explain(failed))
		},
	}
	store.Add(cmd)
	return cmd
}

// show loads a snapshot; of a damaged one it shows what can be read, with the error.
func show(ctx context.Context, s state.Store, id string) (*shown, error) {
	id, err := state.Resolve(ctx, s, id)
	var damaged *state.DamagedError
	if err != nil && !errors.As(err, &damaged) {
		return nil, err
	}
	snap, err := s.Load(ctx, id)
	if snap == nil {
		return nil, err
	}
	now := time.Now()
	v := &shown{ID: snap.ID, Kind: snap.Kind, CreatedAt: snap.CreatedAt, Actor: snap.Actor, Source: snap.Source,
		Location: s.Location(id), Keys: []shownKey{}}
	if errors.As(err, &damaged) {
		v.Damaged = damaged.Reason
	}
	if !snap.Global.Absent {
		g := shownOf(snap.Global, now)
		v.Global = &g
	}
	for _, k := range snap.Keys {
		v.Keys = append(v.Keys, shownOf(k, now))
	}
	return v, err
}

func shownOf(k state.SavedKey, now time.Time) shownKey {
	s := shownKey{Key: k.Key, Type: k.Type, Service: k.Service, State: k.State, Value: string(k.Value), Members: k.Members}
	if k.TTLMS >= 0 {
		ttl, left := float64(k.TTLMS)/1000, k.Life(now).Seconds()
		s.TTLSeconds, s.LeftSeconds = &ttl, &left
	}
	return s
}

func showTable(f *cmdutil.Factory, w io.Writer, v *shown) error {
	global := "absent"
	if v.Global != nil {
		global = v.Global.Value
	}
	err := f.Fields(w, [2]string{"Snapshot", v.ID}, [2]string{"Kind", v.Kind}, [2]string{"Taken", cmdutil.Time(v.CreatedAt)},
		[2]string{"By", v.Actor}, [2]string{"Of", v.Source.String()}, [2]string{"Location", v.Location},
		[2]string{"Damaged", v.Damaged}, [2]string{"Global", global})
	if err != nil || len(v.Keys) == 0 {
		return err
	}
	fmt.Fprintln(w)
	rows := make([][]string, len(v.Keys))
	for i, k := range v.Keys {
		rows[i] = []string{k.Key, k.Type, life(k.TTLSeconds), life(k.LeftSeconds), k.State}
	}
	return f.Table(w, []string{"key", "type", "life", "left", "state"}, rows)
}

// life is a remaining life in seconds for tables.
func life(seconds *float64) string {
	switch {
	case seconds == nil:
		return "-"
	case *seconds <= 0:
		return "over"
	}
	return cmdutil.Age(time.Duration(*seconds * float64(time.Second)))
}

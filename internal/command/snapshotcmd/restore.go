package snapshotcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/crashpoint"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/internal/operations"
	"github.com/leadgenctl/leadgenctl/migrate/state"
)

// RestoreOptions are what a restore needs: `snapshot restore ID` and
// `migrate-state --rollback ID` are the same.
type RestoreOptions struct {
	ID      string
	KeepTTL string // remaining or full
	Force   bool
	Store   *StoreFlags
	Write   *cmdutil.WriteFlags
}

// AddFlags registers --keep-ttl and --force.
func (o *RestoreOptions) AddFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.KeepTTL, "keep-ttl", "remaining", "the life of restored keys: what remains of it since the snapshot, or the full life they had then (remaining, full)")
	cmd.Flags().BoolVar(&o.Force, "force", false, "restore a snapshot that is damaged, or of another server or database; of a fix, the jobs that nobody changed since")
	_ = cmd.RegisterFlagCompletionFunc("keep-ttl", cobra.FixedCompletions([]string{"remaining", "full"}, cobra.ShellCompDirectiveNoFileComp))
}

func newRestore(f *cmdutil.Factory) *cobra.Command {
	o := RestoreOptions{Store: &StoreFlags{}, Write: &cmdutil.WriteFlags{}}
	cmd := &cobra.Command{
		Use:   "restore ID|latest",
		Short: "Put the old keys and the global key back as a snapshot has them",
		Long: `Put the old keys and the global key back as a snapshot has them: value, type and
remaining life, byte for byte. What is there now is saved first, in a snapshot of
its own. Every key is read back and compared. Run twice, the second run finds
nothing to do. The same as: leadgenctl migrate-state --rollback ID

The id of a fix (leadgenctl snapshot list) takes that fix back: its jobs get exactly the
values that they had. Where one of them was changed since, nothing is done; --force then
takes the others back.`,
		Example: "  leadgenctl snapshot restore latest --dry-run\n  leadgenctl snapshot restore latest --yes",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ID = args[0]
			if operations.IsID(o.ID) {
				return restoreOperation(cmd.Context(), f, &o)
			}
			return Restore(cmd.Context(), f, &o)
		},
	}
	o.Store.Add(cmd)
	o.Write.Add(cmd)
	o.AddFlags(cmd)
	return cmd
}

// restored is the JSON of a restore.
type restored struct {
	Applied  bool          `json:"applied"`
	Snapshot string        `json:"snapshot"`
	Saved    *string       `json:"saved"` // the snapshot of what was there before; null where nothing was changed
	State    breaker.State `json:"state"` // of the global breaker now, or as it would be
	Global   restoredKey   `json:"global"`
	Keys     []restoredKey `json:"keys"`
}

type restoredKey struct {
	Key        string   `json:"key"`
	Type       string   `json:"type"`
	TTLSeconds *float64 `json:"ttl_seconds"`
	Service    string   `json:"service,omitempty"`
	State      string   `json:"state,omitempty"`
	Action     string   `json:"action"`
	Verified   string   `json:"verified,omitempty"` // dump or value
}

// Restore plans, shows, asks and restores.
func Restore(ctx context.Context, f *cmdutil.Factory, o *RestoreOptions) error {
	if o.KeepTTL != "remaining" && o.KeepTTL != "full" {
		return exit.Usagef("unknown --keep-ttl %q; known are: remaining, full", o.KeepTTL)
	}
	store, err := o.Store.Open(ctx, f)
	if err != nil {
		return err
	}
	m, err := newMigrator(ctx, f, store)
	if err != nil {
		return err
	}
	p, err := m.PlanRollback(ctx, state.RollbackOptions{ID: o.ID, KeepFull: o.KeepTTL == "full", Force: o.Force})
	if err != nil {
		return Explain(err)
	}
	if p.NothingToDo() || o.Write.DryRun {
		return f.Print(viewOf(p, false), func(w io.Writer) error { return restoreTable(f, w, p, o.Write.DryRun) })
	}
	if f.Output == "table" {
		if err := restoreTable(f, f.IO.Out, p, true); err != nil {
			return err
		}
	}
	if err := o.Write.Confirm(ctx, f.IO, question(p)); err != nil {
		return err
	}
	if err := m.Rollback(ctx, p); err != nil {
		err = fmt.Errorf("the rollback is not complete: %w", err)
		return exit.WithHint(cmdutil.Explain(partial(err)), "run the same command again: it completes what is left")
	}
	return f.Print(viewOf(p, true), func(w io.Writer) error { return restoredText(w, p) })
}

// partial is the exit code of what was begun, where the servers' own does not say more.
func partial(err error) error {
	var e *exit.Error
	if errors.As(cmdutil.Explain(err), &e) || errors.Is(err, context.Canceled) {
		return err
	}
	return exit.Partialf("%w", err)
}

func newMigrator(ctx context.Context, f *cmdutil.Factory, store state.Store) (*state.Migrator, error) {
	c, err := f.Config()
	if err != nil {
		return nil, err
	}
	client, err := f.Redis(ctx)
	if err != nil {
		return nil, err
	}
	b, err := breaker.New(client, breaker.Settings{Actor: c.Actor})
	if err != nil {
		return nil, exit.Usagef("%w", err)
	}
	return state.New(state.Settings{Client: client, Breaker: b, Store: store, Actor: c.Actor, Step: crashpoint.Hit,
		Warn: func(s string) { f.IO.Warnf("%s", s) }})
}

func question(p *state.RollbackPlan) string {
	overwritten := 0
	for _, k := range p.Keys {
		if k.Action == state.ActionOverwrite {
			overwritten++
		}
	}
	if overwritten > 0 {
		return fmt.Sprintf("Put %d keys back as they were %s, over %d that were written since?", len(p.Keys), cmdutil.Time(p.Snapshot.CreatedAt), overwritten)
	}
	return fmt.Sprintf("Put %d keys and the global key back as they were %s?", len(p.Keys), cmdutil.Time(p.Snapshot.CreatedAt))
}

func viewOf(p *state.RollbackPlan, applied bool) restored {
	v := restored{Applied: applied, Snapshot: p.Snapshot.ID, State: breaker.Closed, Global: keyView(p.Global), Keys: []restoredKey{}}
	if p.Saved != "" {
		v.Saved = &p.Saved
	}
	if p.Global.State != "" && p.After != "" {
		v.State = breaker.State(p.Global.State)
	}
	for _, k := range p.Keys {
		v.Keys = append(v.Keys, keyView(k))
	}
	return v
}

func keyView(k state.RollbackKey) restoredKey {
	v := restoredKey{Key: k.Key, Type: k.Type, Service: k.Service, State: k.State, Action: k.Action, Verified: k.Verified}
	if k.TTL != state.NoExpiry {
		s := k.TTL.Seconds()
		v.TTLSeconds = &s
	}
	return v
}

func restoreTable(f *cmdutil.Factory, w io.Writer, p *state.RollbackPlan, planned bool) error {
	if p.NothingToDo() && !planned {
		_, err := fmt.Fprintf(w, "Nothing to do: the keys are as the snapshot %s has them.\n", p.Snapshot.ID)
		return err
	}
	fmt.Fprintf(w, "Snapshot %s of %s, taken %s\n\n", p.Snapshot.ID, p.Snapshot.Source, cmdutil.Time(p.Snapshot.CreatedAt))
	var rows [][]string
	for _, k := range append([]state.RollbackKey{p.Global}, p.Keys...) {
		left := "-"
		if k.TTL != state.NoExpiry {
			left = cmdutil.Age(max(0, k.TTL.Round(time.Second)))
		}
		rows = append(rows, []string{k.Key, k.Type, left, k.State, k.Action})
	}
	return f.Table(w, []string{"key", "type", "life", "state", "action"}, rows)
}

func restoredText(w io.Writer, p *state.RollbackPlan) error {
	restored, expired := 0, 0
	for _, k := range p.Keys {
		switch k.Action {
		case state.ActionRestored:
			restored++
		case state.ActionExpired:
			expired++
		}
	}
	fmt.Fprintf(w, "\nRolled back to %s: %d old keys restored and verified", p.Snapshot.ID, restored)
	if expired > 0 {
		fmt.Fprintf(w, ", %d not, for their life has run out (--keep-ttl=full)", expired)
	}
	global := "as it was, " + p.Global.State
	if p.After == "" {
		global = "absent, as it was"
	}
	_, err := fmt.Fprintf(w, ".\nThe global key is %s. What was there before is in the snapshot %s.\n", global, p.Saved)
	return err
}

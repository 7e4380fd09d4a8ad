// Package migratestatecmd is `leadgenctl migrate-state`: it carries the old
// per-service keys into the one global breaker, and back.
package migratestatecmd

import (
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/command/snapshotcmd"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/migrate/state"
)

// options are what the command line says.
type options struct {
	f        *cmdutil.Factory
	rules    state.Rules
	discover bool
	services []string

	follow   bool
	quiet    time.Duration
	interval time.Duration

	store   snapshotcmd.StoreFlags
	write   cmdutil.WriteFlags
	restore snapshotcmd.RestoreOptions // with --rollback
}

// New returns the command.
func New(f *cmdutil.Factory) *cobra.Command {
	o := &options{f: f}
	o.restore.Store, o.restore.Write = &o.store, &o.write
	cmd := &cobra.Command{
		Use:   "migrate-state",
		Short: "Carry the old per-service keys into the one global breaker, and back",
		Long: `Carry the old per-service keys into the one global breaker, and back.

The plan shows every old key (circuit_breaker:S, circuit_failures:S,
circuit_success:S, queue_paused:S), what it says and what happens to it, and the
global state that results: open if any circuit is open or half open or any queue
is still paused, else closed. It is since the earliest evidence; the last error is
that of the latest failure. Failures, counts and pauses go into the event history
with their own times, and are summarised in the global key's metadata.

Then, in this order: a snapshot; one atomic write of the global key, provided that
nothing changed since the plan was made (else it plans again); the global key is
read back; only then are the old keys deleted, each only if it still holds what the
snapshot holds. Killed at any point, the same command completes it. Run twice, the
second run finds nothing to do.

Keys of unknown services, and names that only look alike, are listed and left.`,
		Example: `  leadgenctl migrate-state --dry-run
  leadgenctl migrate-state --yes
  leadgenctl migrate-state --yes --follow --quiet 10m  # during a rolling deploy
  leadgenctl migrate-state --rollback latest --dry-run
  leadgenctl migrate-state --rollback latest --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			if o.restore.ID != "" {
				return snapshotcmd.Restore(cmd.Context(), f, &o.restore)
			}
			return o.run(cmd.Context())
		},
	}
	o.addFlags(cmd)
	return cmd
}

func (o *options) addFlags(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&o.rules.HalfOpen, "half-open", state.AsOpen, "what a half-open circuit becomes: open or closed")
	fs.StringVar(&o.rules.Prefer, "prefer", "", "what wins where the old keys and the global key contradict each other: old or global (default: refuse)")
	fs.StringVar(&o.rules.Malformed, "malformed", "", "what a malformed old key is: open, or skip to leave it alone (default: refuse)")
	fs.BoolVar(&o.discover, "discover", true, "look for old keys of unknown services too, by walking over all names with SCAN")
	fs.StringSliceVar(&o.services, "service", nil, "carry the keys of this service too (repeatable)")
	fs.BoolVar(&o.follow, "follow", false, "keep carrying what old workers still write, until they are quiet or Ctrl-C")
	fs.DurationVar(&o.quiet, "quiet", 10*time.Minute, "with --follow: end when no old key has appeared for so long")
	fs.DurationVar(&o.interval, "interval", time.Second, "with --follow: time between two looks, one round trip each")
	fs.StringVar(&o.restore.ID, "rollback", "", "restore the snapshot of this id, or the latest")
	o.restore.AddFlags(cmd)
	o.store.Add(cmd)
	o.write.Add(cmd)
	for flag, values := range map[string][]string{"half-open": {"open", "closed"}, "prefer": {"old", "global"}, "malformed": {"open", "skip"}} {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
}

// check refuses flags that contradict each other, before anything connects.
func (o *options) check(cmd *cobra.Command) error {
	changed := cmd.Flags().Changed
	if changed("rollback") && o.restore.ID == "" {
		return exit.Usagef("--rollback needs the id of a snapshot, or latest")
	}
	rollback := changed("rollback")
	for _, name := range []string{"half-open", "prefer", "malformed", "discover", "service", "follow"} {
		if rollback && changed(name) {
			return exit.Usagef("--%s is for a migration, not for --rollback", name)
		}
	}
	for _, name := range []string{"keep-ttl", "force"} {
		if !rollback && changed(name) {
			return exit.Usagef("--%s is for --rollback", name)
		}
	}
	for _, name := range []string{"quiet", "interval"} {
		if !o.follow && changed(name) {
			return exit.Usagef("--%s is for --follow", name)
		}
	}
	switch {
	case o.quiet <= 0 || o.interval <= 0:
		return exit.Usagef("--quiet and --interval must be positive")
	case o.follow && o.write.DryRun:
		return exit.Usagef("--follow and --dry-run exclude each other")
	case slices.Contains(o.services, ""), slices.Contains(o.services, "global"):
		return exit.Usagef("--service: %q cannot be the name of a service", o.services)
	}
	if err := o.rules.Validate(); err != nil {
		return exit.Usagef("%w", err)
	}
	return nil
}

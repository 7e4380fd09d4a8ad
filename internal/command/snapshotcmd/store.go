package snapshotcmd

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/adrg/xdg"
	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/crashpoint"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/migrate/state"
)

// StoreFlags choose where snapshots are.
type StoreFlags struct {
	Store string // file or postgres
	Dir   string // of the files
}

// Add registers --snapshot-store and --snapshot-dir on cmd.
func (s *StoreFlags) Add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.Store, "snapshot-store", "file", "where snapshots are: file or postgres")
	cmd.Flags().StringVar(&s.Dir, "snapshot-dir", "", "folder of the snapshot files (default: leadgenctl/snapshots in the XDG state folder)")
	_ = cmd.RegisterFlagCompletionFunc("snapshot-store", cobra.FixedCompletions([]string{"file", "postgres"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.MarkFlagDirname("snapshot-dir")
}

// Open returns the store that the flags name.
func (s *StoreFlags) Open(ctx context.Context, f *cmdutil.Factory) (state.Store, error) {
	switch {
	case s.Store == "postgres" && s.Dir != "":
		return nil, exit.Usagef("--snapshot-dir is for --snapshot-store=file")
	case s.Store == "postgres":
		pool, err := f.Postgres(ctx)
		if err != nil {
			return nil, err
		}
		return &state.PostgresStore{Pool: pool}, nil
	case s.Store != "file":
		return nil, exit.Usagef("unknown --snapshot-store %q; known are: file, postgres", s.Store)
	}
	dir := s.Dir
	if dir == "" {
		dir = filepath.Join(xdg.StateHome, "leadgenctl", "snapshots")
	}
	return &state.FileStore{Dir: dir, Step: crashpoint.Hit}, nil
}

// Explain gives the errors of migrate/state their exit codes and the next step.
func Explain(err error) error {
	var (
		malformed *state.MalformedError
		conflict  *state.ConflictError
		damaged   *state.DamagedError
		foreign   *state.ForeignError
		busy      *state.BusyError
		global    *breaker.MalformedError
	)
	refused := func(hint string) error { return exit.WithHint(exit.Refusedf("%w", err), "%s", hint) }
	switch {
	case err == nil:
		return nil
	case errors.As(err, &malformed):
		return refused("nothing was changed; --malformed=open takes it as an open circuit, --malformed=skip leaves it alone")
	case errors.As(err, &global):
		return refused("nothing was changed; leadgenctl breaker open --replace-malformed, or close, writes a breaker over it")
	case errors.As(err, &conflict):
		return refused("nothing was changed; --prefer=old or --prefer=global says which one is right")
	case errors.As(err, &damaged):
		return refused("nothing was changed; --force restores what can still be read of it")
	case errors.As(err, &foreign):
		return refused("nothing was changed; --force restores it here all the same")
	case errors.Is(err, state.ErrNoSnapshot):
		return exit.WithHint(exit.Usagef("%w", err), "see: leadgenctl snapshot list (with the same --snapshot-store and --snapshot-dir)")
	case errors.As(err, &busy) && busy.Applied:
		return exit.WithHint(exit.Partialf("%w", err), "what was carried is safe; run again, or follow the old workers with --follow")
	case errors.As(err, &busy):
		return refused("nothing was changed; run again, or follow the old workers with --follow")
	}
	return err
}

// Package migratecmd is `leadgenctl migrate`.
package migratecmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/crashpoint"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

// New returns the command with its verbs.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Install, upgrade and remove what leadgenctl keeps in PostgreSQL",
		Long: `Install, upgrade and remove what leadgenctl keeps in PostgreSQL: its tables in the
schema leadgenctl ("base"), then the gate that keeps campaigns off PAUSED, then
the retirement of the enum value. The platform's alembic_version is never written.`,
		Example: "  leadgenctl migrate status\n  leadgenctl migrate up --to base\n  leadgenctl migrate down",
	}
	cmd.AddCommand(newUp(f), newDown(f), newGoto(f), newStatus(f), newPlan(f), newRepair(f), newDropValue(f))
	return cmd
}

// migrator makes the Migrator of the verbs that read.
func migrator(ctx context.Context, f *cmdutil.Factory) (*schema.Migrator, error) {
	return migratorWith(ctx, f, schema.Settings{})
}

func migratorWith(ctx context.Context, f *cmdutil.Factory, s schema.Settings) (*schema.Migrator, error) {
	pool, err := f.Postgres(ctx)
	if err != nil {
		return nil, err
	}
	s.Step = crashpoint.Hit
	return schema.New(pool, s)
}

// explain gives the typed errors of package schema their exit codes.
func explain(err error) error {
	var (
		unknown *schema.UnknownTargetError
		locked  *schema.LockedError
		dirty   *schema.DirtyError
		refused *schema.RefusedError
		blocked *schema.BlockedError
		revised *schema.RevisionError
	)
	switch {
	case errors.As(err, &unknown):
		return exit.Usagef("%w", err)
	case errors.As(err, &locked):
		return exit.WithHint(exit.Refusedf("%w", err), "wait for it, or end that session, and run this again")
	case errors.As(err, &revised):
		return exit.WithHint(exit.Refusedf("%w", err), "if you know that its tables fit: --allow-revision %s", revised.Revision)
	case errors.As(err, &dirty):
		return exit.WithHint(exit.Refusedf("%w", err), "see: leadgenctl migrate status")
	case errors.As(err, &refused):
		return exit.WithHint(exit.Refusedf("%w", err), "%s", refused.Hint)
	case errors.As(err, &blocked):
		return exit.WithHint(exit.Refusedf("%w", err), "end the blocking transaction or wait for it, and run this again; nothing was changed")
	}
	return err
}

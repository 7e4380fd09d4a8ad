package migratecmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

func newDown(f *cmdutil.Factory) *cobra.Command {
	var to string
	var all bool
	var write cmdutil.WriteFlags
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Go back one step, to a version, or to a database without a trace of us",
		Example: `  leadgenctl migrate down --yes
  leadgenctl migrate down --to base --yes
  leadgenctl migrate down --all --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all && to != "" {
				return exit.Usagef("--all and --to contradict each other")
			}
			if all {
				to = schema.All
			}
			return runDown(cmd.Context(), f, to, write)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "the version or name that stays applied (default: the one before)")
	cmd.Flags().BoolVar(&all, "all", false, "undo everything and remove the schema leadgenctl with its records")
	write.Add(cmd)
	return cmd
}

func runDown(ctx context.Context, f *cmdutil.Factory, to string, write cmdutil.WriteFlags) error {
	result := move{DryRun: write.DryRun, Steps: []string{}}
	c, err := f.Config()
	if err != nil {
		return err
	}
	m, err := migratorWith(ctx, f, schema.Settings{Actor: c.Actor, OnApplied: func(m schema.Migration, _ bool) { result.Steps = append(result.Steps, m.String()) }})
	if err != nil {
		return err
	}
	undo, err := m.Undone(ctx, to)
	if err != nil {
		return explain(err)
	}
	if write.DryRun {
		for _, u := range undo {
			result.Steps = append(result.Steps, u.String())
		}
		return printMove(ctx, f, m, result, "would undo")
	}
	if len(undo) > 0 {
		if err := write.Confirm(ctx, f.IO, "Undo "+undo[len(undo)-1].String()+" and all above it, with the records in their tables?"); err != nil {
			return err
		}
	}
	if err := m.Down(ctx, to); err != nil {
		return explain(err)
	}
	return printMove(ctx, f, m, result, "undid")
}

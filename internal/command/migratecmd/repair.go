package migratecmd

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

type repairOptions struct {
	finish, undo bool
	write        cmdutil.WriteFlags
}

type repairResult struct {
	status
	Unfinished []unfinished `json:"unfinished"`
	Action     string       `json:"action"`   // none, finished or undone
	PutBack    []string     `json:"put_back"` // what somebody had changed, with what was wrong with it
	DryRun     bool         `json:"dry_run,omitempty"`
}

type unfinished struct {
	Type  string   `json:"type"`
	Value string   `json:"value"`
	Left  []string `json:"left"`
}

func newRepair(f *cmdutil.Factory) *cobra.Command {
	var o repairOptions
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "Mend what an interrupted migration, or somebody else, has left",
		Long: `Mend what an interrupted migration has left. PostgreSQL rolls a killed migration back:
only the version table is to be mended. The online removal of an enum value takes many
transactions: repair says which of its objects are there; --finish completes it, --undo
takes them away. Until then the platform works as before, and either can wait.

The guard of jobs (a trigger) and the gate of campaigns (a constraint) are put back as the
migrations made them where somebody has changed or dropped them; no record is touched.`,
		Example: `  leadgenctl migrate repair
  leadgenctl migrate repair --finish --yes
  leadgenctl migrate repair --undo --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runRepair(cmd.Context(), f, o) },
	}
	cmd.Flags().BoolVar(&o.finish, "finish", false, "complete a removal that is half done")
	cmd.Flags().BoolVar(&o.undo, "undo", false, "take away what a removal that is half done has made")
	cmd.MarkFlagsMutuallyExclusive("finish", "undo")
	o.write.Add(cmd)
	return cmd
}

func (o repairOptions) how() (schema.How, string) {
	switch {
	case o.write.DryRun:
		return schema.Report, "none"
	case o.finish:
		return schema.Finish, "finished"
	case o.undo:
		return schema.Undo, "undone"
	}
	return schema.Report, "none"
}

func runRepair(ctx context.Context, f *cmdutil.Factory, o repairOptions) error {
	bar := f.Progress("back-fill", 0)
	defer bar.Done()
	var s schema.Settings
	s.Drop.Progress = bar.Set
	m, err := migratorWith(ctx, f, s)
	if err != nil {
		return err
	}
	how, action := o.how()
	if how != schema.Report {
		if err := o.write.Confirm(ctx, f.IO, "Change what an interrupted removal has made?"); err != nil {
			return err
		}
	}
	out := repairResult{Action: action, DryRun: o.write.DryRun, Unfinished: []unfinished{}, PutBack: []string{}}
	repair, putBack := m.Repair, m.PutBack
	if o.write.DryRun {
		repair, putBack = look(m), m.Changed
	}
	found, st, err := repair(ctx, how)
	if err != nil {
		return explain(err)
	}
	if len(found) == 0 || how != schema.Report { // a removal may just now carry them
		changed, err := putBack(ctx)
		if err != nil {
			return explain(err)
		}
		for _, k := range changed {
			out.PutBack = append(out.PutBack, k.Name+" "+k.Fault)
		}
	}
	return printRepair(f, out, found, st)
}

// look finds what Repair would, and mends nothing.
func look(m *schema.Migrator) func(context.Context, schema.How) ([]schema.Unfinished, schema.Status, error) {
	return func(ctx context.Context, _ schema.How) ([]schema.Unfinished, schema.Status, error) {
		found, err := m.Unfinished(ctx)
		if err != nil {
			return nil, schema.Status{}, err
		}
		st, err := m.Status(ctx)
		return found, st, err
	}
}

func printRepair(f *cmdutil.Factory, out repairResult, found []schema.Unfinished, st schema.Status) error {
	out.status = statusOf(st)
	for _, u := range found {
		out.Unfinished = append(out.Unfinished, unfinished{u.Type, u.Value, u.Left})
	}
	if len(found) == 0 {
		out.Action = "none"
	}
	return f.Print(out, func(w io.Writer) error {
		done := "was put back"
		if out.DryRun {
			done = "would be put back"
		}
		for _, p := range out.PutBack {
			if _, err := fmt.Fprintf(w, "%s: it %s\n", p, done); err != nil {
				return err
			}
		}
		for _, u := range found {
			if out.Action != "none" {
				if _, err := fmt.Fprintf(w, "the removal of %s.%s is %s\n", u.Type, u.Value, out.Action); err != nil {
					return err
				}
				continue
			}
			if _, err := fmt.Fprintf(w, "the removal of %s.%s is half done; there are:\n", u.Type, u.Value); err != nil {
				return err
			}
			for _, l := range u.Left {
				if _, err := fmt.Fprintln(w, "  "+l); err != nil {
					return err
				}
			}
			f.IO.Warnf("complete it with --finish, or take it away with --undo")
		}
		return writeStatus(w, f, st)
	})
}

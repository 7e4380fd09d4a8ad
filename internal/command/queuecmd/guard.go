package queuecmd

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/queue"
)

func newGuard(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "guard",
		Short: "The guard in the database that tests each change of a job's status",
	}
	cmd.AddCommand(newGuardStatus(f), newGuardMode(f, queue.GuardObserve, "Record illegal transitions, and let them pass"),
		newGuardMode(f, queue.GuardEnforce, "Refuse illegal transitions"))
	return cmd
}

// putBack is for a guard that is not as its migration made it.
const putBack = "put it back: leadgenctl migrate repair"

func newGuardStatus(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Show the mode and the newest violations",
		Long:    "Show the mode and the newest violations. The command ends with exit code 1 where the guard is missing,\nis not at work, or tests other transitions than this program knows.",
		Example: "  leadgenctl queue guard status\n  leadgenctl queue guard status -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, _, done, err := connect(cmd.Context(), f)
			if err != nil {
				return err
			}
			defer done()
			g, err := m.Guard(cmd.Context())
			if err != nil {
				return cmdutil.ExplainQueue(err)
			}
			if err := f.Print(g, func(w io.Writer) error { return guardText(f, w, g) }); err != nil {
				return err
			}
			switch {
			case g.Mode == queue.GuardMissing:
				return exit.WithHint(&exit.Error{Code: exit.Findings, Err: fmt.Errorf("the guard is missing, or not at work")}, "%s", putBack)
			case !g.Current:
				return exit.WithHint(&exit.Error{Code: exit.Findings, Err: fmt.Errorf("the guard tests other transitions than this program knows")}, "%s", putBack)
			}
			return nil
		},
	}
}

func guardText(f *cmdutil.Factory, w io.Writer, g queue.GuardStatus) error {
	if err := f.Fields(w, [2]string{"Mode", string(g.Mode)}, [2]string{"Violations", cmdutil.Count(g.Violations)}); err != nil || len(g.Recent) == 0 {
		return err
	}
	rows := make([][]string, len(g.Recent))
	for i, v := range g.Recent {
		rows[i] = []string{cmdutil.Time(v.At), cmdutil.Count(v.JobID), string(v.Old), string(v.New), v.ApplicationName, v.User}
	}
	return f.Table(w, []string{"at", "job", "from", "to", "application", "user"}, rows)
}

type guardView struct {
	DryRun  bool            `json:"dry_run,omitempty"`
	Mode    queue.GuardMode `json:"mode"`
	Changed bool            `json:"changed"`
}

func newGuardMode(f *cmdutil.Factory, mode queue.GuardMode, short string) *cobra.Command {
	var flags cmdutil.WriteFlags
	cmd := &cobra.Command{
		Use:     string(mode),
		Short:   short,
		Example: "  leadgenctl queue guard " + string(mode) + " --dry-run\n  leadgenctl queue guard " + string(mode) + " --yes",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, _, done, err := connect(cmd.Context(), f)
			if err != nil {
				return err
			}
			defer done()
			g, err := m.Guard(cmd.Context())
			if err != nil {
				return cmdutil.ExplainQueue(err)
			}
			if g.Mode == queue.GuardMissing {
				return exit.WithHint(exit.Refusedf("the guard is missing, or not at work"), "%s", putBack)
			}
			v := guardView{DryRun: flags.DryRun, Mode: mode, Changed: g.Mode != mode}
			if v.Changed && !v.DryRun {
				if mode == queue.GuardEnforce { // what programs do now would fail then
					question := fmt.Sprintf("Refuse illegal transitions from now on? So far %s recorded.", cmdutil.Plural(g.Violations, "was", "were"))
					if err := flags.Confirm(cmd.Context(), f.IO, question); err != nil {
						return err
					}
				}
				if v.Changed, err = m.SetGuard(cmd.Context(), mode); err != nil {
					return cmdutil.ExplainQueue(err)
				}
			}
			return f.Print(v, v.write)
		},
	}
	flags.Add(cmd)
	return cmd
}

func (v guardView) write(w io.Writer) error {
	text := "the guard's mode is %s now\n"
	switch {
	case !v.Changed:
		text = "the guard's mode is %s already; nothing changed\n"
	case v.DryRun:
		text = "the guard's mode would become %s\n"
	}
	_, err := fmt.Fprintf(w, text, v.Mode)
	return err
}

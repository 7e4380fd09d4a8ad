package campaigncmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/campaign"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
)

type resolveOptions struct {
	factory *cmdutil.Factory
	write   cmdutil.WriteFlags
	to      string
	undo    bool
	change  string // what undo takes
}

// resolved is the JSON of a change.
type resolved struct {
	Changed bool `json:"changed"`
	DryRun  bool `json:"dry_run"`
	campaign.Resolution
}

func newResolvePaused(f *cmdutil.Factory) *cobra.Command {
	o := &resolveOptions{factory: f}
	cmd := &cobra.Command{
		Use:   "resolve-paused [--to STATUS | --undo [CHANGE]]",
		Short: "Move PAUSED campaigns to another status, or undo that exactly",
		Long: `Move every PAUSED campaign to RUNNING, CREATED or FAILED, in one transaction.

Each campaign's old values are remembered under the id that the command prints.
--undo brings them back exactly; campaigns that someone has changed since are left
as they are and listed (exit code 5, or 4 when none could be restored).`,
		Example: `  leadgenctl campaign resolve-paused --dry-run
  leadgenctl campaign resolve-paused --to RUNNING
  leadgenctl campaign resolve-paused --undo
  leadgenctl campaign resolve-paused --undo 20261123t140844000z-5f0c21aa`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.parse(cmd, args); err != nil {
				return err
			}
			if o.undo {
				return runUndo(cmd.Context(), o)
			}
			return runResolve(cmd.Context(), o)
		},
	}
	o.write.Add(cmd)
	cmd.Flags().StringVar(&o.to, "to", string(campaign.Targets[0]), "the status that they get: RUNNING, CREATED or FAILED")
	cmd.Flags().StringVar(&o.change, "undo", "", "undo a change: the latest, or the one of the given id")
	cmd.Flags().Lookup("undo").NoOptDefVal = campaign.Latest
	cmd.MarkFlagsMutuallyExclusive("to", "undo")
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions([]string{"RUNNING", "CREATED", "FAILED"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// parse takes the id behind --undo with a blank, too.
func (o *resolveOptions) parse(cmd *cobra.Command, args []string) error {
	o.undo, o.to = cmd.Flags().Changed("undo"), strings.ToUpper(o.to)
	switch {
	case o.undo && o.change == "":
		return exit.Usagef("--undo: the id of the change is empty")
	case len(args) == 1 && (!o.undo || o.change != campaign.Latest):
		return exit.Usagef("unexpected argument %q", args[0])
	case len(args) == 1:
		o.change = args[0]
	}
	return nil
}

func runResolve(ctx context.Context, o *resolveOptions) error {
	f := o.factory
	c, err := f.Config()
	if err != nil {
		return err
	}
	m, err := manager(ctx, f)
	if err != nil {
		return err
	}
	r, err := m.ResolvePaused(ctx, campaign.ResolveOptions{To: campaign.Status(o.to), Actor: c.Actor, DryRun: o.write.DryRun})
	var target *campaign.TargetError
	if errors.As(err, &target) {
		return exit.Usagef("--to: %w", target)
	}
	if err != nil {
		return err
	}
	if r.Campaigns == nil {
		r.Campaigns = []campaign.Change{}
	}
	out := resolved{len(r.Campaigns) > 0 && !o.write.DryRun, o.write.DryRun, r}
	return f.Print(out, func(w io.Writer) error { return printResolved(f, w, out) })
}

func printResolved(f *cmdutil.Factory, w io.Writer, r resolved) error {
	if len(r.Campaigns) == 0 {
		_, err := fmt.Fprintln(w, "No campaign is PAUSED; nothing to do.")
		return err
	}
	var rows [][]string
	for _, c := range r.Campaigns {
		rows = append(rows, []string{c.ID, c.Name, string(c.From), string(c.To), text(c.StatusMessage), text(c.NewStatusMessage)})
	}
	if err := f.Table(w, []string{"id", "name", "from", "to", "old message", "new message"}, rows); err != nil {
		return err
	}
	if r.DryRun {
		f.IO.Infof("Dry run: %s to %s. Nothing was changed.", campaigns(len(r.Campaigns), "would go", "would go"), r.To)
		return nil
	}
	f.IO.Infof("%s to %s, change %s. To undo: leadgenctl campaign resolve-paused --undo %s",
		campaigns(len(r.Campaigns), "went", "went"), r.To, r.ChangeID, r.ChangeID)
	return nil
}

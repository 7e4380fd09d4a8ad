package campaigncmd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/leadgenctl/leadgenctl/campaign"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
)

// undone is the JSON of an undo.
type undone struct {
	Undone bool `json:"undone"`
	DryRun bool `json:"dry_run"`
	campaign.Undoing
}

func runUndo(ctx context.Context, o *resolveOptions) error {
	f := o.factory
	c, err := f.Config()
	if err != nil {
		return err
	}
	m, err := manager(ctx, f)
	if err != nil {
		return err
	}
	u, err := m.Undo(ctx, campaign.UndoOptions{ChangeID: o.change, Actor: c.Actor, DryRun: o.write.DryRun})
	switch {
	case errors.Is(err, campaign.ErrNoChange):
		return exit.Usagef("%w", err)
	case errors.Is(err, campaign.ErrPausedGone):
		return exit.WithHint(exit.Refusedf("%w", err), "to bring the value and the old rules back, roll the migration back first: leadgenctl migrate down")
	case err != nil:
		return err
	}
	if u.Campaigns == nil {
		u.Campaigns = []campaign.Undone{}
	}
	out := undone{u.Restored > 0 && !o.write.DryRun, o.write.DryRun, u}
	if err := f.Print(out, func(w io.Writer) error { return printUndone(f, w, out) }); err != nil {
		return err
	}
	switch {
	case u.Changed == 0:
		return nil
	case u.Restored == 0:
		return exit.Refusedf("nothing was restored: every campaign of this change was changed or deleted since")
	default:
		return exit.Partialf("%s left as found, since changed or deleted by someone else", campaigns(u.Changed, "was", "were"))
	}
}

func printUndone(f *cmdutil.Factory, w io.Writer, u undone) error {
	if len(u.Campaigns) == 0 {
		_, err := fmt.Fprintln(w, "Nothing to undo.")
		return err
	}
	var rows [][]string
	for _, c := range u.Campaigns {
		what := "restored"
		if u.DryRun {
			what = "would be restored"
		}
		if !c.Restored {
			what = "left: " + c.Why
		}
		rows = append(rows, []string{c.ID, text(c.Name), string(c.From), string(c.To), what})
	}
	if err := f.Table(w, []string{"id", "name", "is", "was", "result"}, rows); err != nil {
		return err
	}
	if u.DryRun {
		f.IO.Infof("Dry run: nothing was changed.")
	} else {
		f.IO.Infof("%s restored, change %s.", campaigns(u.Restored, "was", "were"), u.ChangeID)
	}
	return nil
}

package campaigncmd

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/campaign"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
)

// pausedList is the JSON that scripts rely on.
type pausedList struct {
	Paused    int                 `json:"paused"`
	Campaigns []campaign.Campaign `json:"campaigns"`
}

func newCheckPaused(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "check-paused",
		Short: "List the campaigns that are still PAUSED",
		Long: `List the campaigns that are still PAUSED.

Exit code 0 when there is none, 1 when there are some.`,
		Example: "  leadgenctl campaign check-paused\n  leadgenctl campaign check-paused -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := manager(cmd.Context(), f)
			if err != nil {
				return err
			}
			found, err := m.CheckPaused(cmd.Context())
			if err != nil {
				return err
			}
			list := pausedList{len(found), append([]campaign.Campaign{}, found...)}
			if err := f.Print(list, func(w io.Writer) error { return printPaused(f, w, list) }); err != nil {
				return err
			}
			if list.Paused > 0 {
				return exit.Silent(exit.Findings)
			}
			return nil
		},
	}
}

func printPaused(f *cmdutil.Factory, w io.Writer, list pausedList) error {
	if list.Paused == 0 {
		_, err := fmt.Fprintln(w, "No campaign is PAUSED.")
		return err
	}
	var rows [][]string
	for _, c := range list.Campaigns {
		rows = append(rows, []string{c.ID, c.Name, c.OrganizationID, cmdutil.Time(c.UpdatedAt), cmdutil.Age(time.Since(c.UpdatedAt)), text(c.StatusMessage)})
	}
	if err := f.Table(w, []string{"id", "name", "organization", "since", "for", "message"}, rows); err != nil {
		return err
	}
	f.IO.Infof("%s PAUSED. Move them with: leadgenctl campaign resolve-paused --to RUNNING", campaigns(list.Paused, "is", "are"))
	return nil
}

// campaigns says how many, with the verb that fits.
func campaigns(n int, one, many string) string {
	if n == 1 {
		return "1 campaign " + one
	}
	return fmt.Sprintf("%d campaigns %s", n, many)
}

package campaigncmd

import (
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/campaign"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
)

func newStatus(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Count the campaigns by status",
		Example: "  leadgenctl campaign status\n  leadgenctl campaign status -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := manager(cmd.Context(), f)
			if err != nil {
				return err
			}
			o, err := m.Status(cmd.Context())
			if err != nil {
				return err
			}
			return f.Print(o, func(w io.Writer) error { return printStatus(f, w, o) })
		},
	}
}

func printStatus(f *cmdutil.Factory, w io.Writer, o campaign.Overview) error {
	order := slices.Clone(campaign.Statuses)
	for s := range o.Counts {
		if !slices.Contains(order, s) {
			order = append(order, s)
		}
	}
	slices.Sort(order[len(campaign.Statuses):])
	var rows [][]string
	for _, s := range order {
		rows = append(rows, []string{string(s), strconv.FormatInt(o.Counts[s], 10)})
	}
	if err := f.Table(w, []string{"status", "campaigns"}, append(rows, []string{"all", strconv.FormatInt(o.Total, 10)})); err != nil {
		return err
	}
	if o.Paused > 0 {
		f.IO.Warnf("%d campaigns are PAUSED: the app's new code fails on them; see: leadgenctl campaign check-paused", o.Paused)
	}
	if o.Orphaned > 0 {
		f.IO.Warnf("%d campaigns have no organization; see: leadgenctl check-consistency --only LGC003", o.Orphaned)
	}
	if o.Paused == 0 && o.Gate == campaign.GateMissing {
		f.IO.Warnf("nothing keeps a program from writing PAUSED again; see: leadgenctl migrate plan")
	}
	return nil
}

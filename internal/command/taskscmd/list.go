package taskscmd

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
)

type listOptions struct {
	f           *cmdutil.Factory
	place, name string
	defects     bool
	limit       int
}

type listView struct {
	Total         int64            `json:"total"`
	Places        map[string]int64 `json:"places"`
	WorkersAsked  bool             `json:"workers_asked"` // false where this user may not
	WorkersAlive  int              `json:"workers_alive"`
	WorkersSilent int              `json:"workers_silent"`
	Tasks         []task           `json:"tasks"`
}

func newList(f *cmdutil.Factory) *cobra.Command {
	o := listOptions{f: f}
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List what is queued, reserved, scheduled and running",
		Example: "  leadgenctl tasks ls\n  leadgenctl tasks ls --place running\n  leadgenctl tasks ls --defects -o json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runList(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.place, "place", "", "only those in this place: queued, reserved, scheduled or running")
	cmd.Flags().StringVar(&o.name, "name", "", "only tasks of this registered name")
	cmd.Flags().BoolVar(&o.defects, "defects", false, "only messages that workers cannot run")
	cmd.Flags().IntVar(&o.limit, "limit", 100, "list so many at most, and count the rest; 0 lists all")
	return cmd
}

func runList(ctx context.Context, o listOptions) error {
	if o.place != "" && !slices.Contains([]string{"queued", "reserved", "scheduled", "running"}, o.place) {
		return exit.Usagef("--place %q is none of queued, reserved, scheduled, running", o.place)
	}
	if o.limit < 0 {
		return exit.Usagef("--limit %d is negative", o.limit)
	}
	v := listView{Places: map[string]int64{}, Tasks: []task{}}
	a, err := eachTask(ctx, o.f, func(t task) {
		if (o.place != "" && t.Place != o.place) || (o.name != "" && t.Name != o.name) || (o.defects && t.Defect == "") {
			return
		}
		v.Total++
		v.Places[t.Place]++
		if o.limit == 0 || len(v.Tasks) < o.limit {
			v.Tasks = append(v.Tasks, t)
		}
	})
	if err != nil {
		return cmdutil.Explain(err)
	}
	if a != nil {
		v.WorkersAsked, v.WorkersAlive, v.WorkersSilent = true, len(a.Workers), silent(o.f, a)
	}
	return o.f.Print(v, func(w io.Writer) error {
		if v.Total == 0 {
			_, err := fmt.Fprintln(w, "No tasks.")
			return err
		}
		if rest := v.Total - int64(len(v.Tasks)); rest > 0 {
			o.f.IO.Warnf("%s more are not listed; list all with --limit 0", cmdutil.Count(rest))
		}
		return o.f.Table(w, header, rows(v.Tasks))
	})
}

package migratecmd

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

func newPlan(f *cmdutil.Factory) *cobra.Command {
	var to string
	var drop dropFlags
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Print the SQL that up would run, and the lock that each statement takes",
		Example: `  leadgenctl migrate plan
  leadgenctl migrate plan --strategy online
  leadgenctl migrate plan --to base -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			strategy, err := drop.parse()
			if err != nil {
				return err
			}
			m, err := migratorWith(cmd.Context(), f, schema.Settings{Strategy: strategy, Drop: drop.settings()})
			if err != nil {
				return err
			}
			steps, err := m.Plan(cmd.Context(), to)
			if err != nil {
				return explain(err)
			}
			value := struct {
				Steps []schema.Step `json:"steps"`
			}{steps}
			return f.Print(value, func(w io.Writer) error { return printPlan(w, steps) })
		},
	}
	cmd.Flags().StringVar(&to, "to", schema.Latest, "where to stop: base, latest, a version or a migration's name")
	drop.add(cmd)
	return cmd
}

func printPlan(w io.Writer, steps []schema.Step) error {
	var b strings.Builder
	if len(steps) == 0 {
		b.WriteString("Nothing is pending.\n")
	}
	for i, s := range steps {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "== %s\n", s.Migration)
		for _, st := range s.Statements {
			if st.Lock == "" {
				b.WriteString("-- locks no table of the platform\n")
			} else {
				fmt.Fprintf(&b, "-- %s on %s (about %d rows, %s): %s\n", st.Lock, st.Table, st.Rows, cmdutil.Bytes(st.Bytes), st.Work)
			}
			b.WriteString(st.SQL + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

package migratecmd

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

type statusStep struct {
	Version uint   `json:"version"`
	Name    string `json:"name"`
	State   string `json:"state"` // applied or pending
}

type status struct {
	Version    uint         `json:"version"`
	Dirty      bool         `json:"dirty"`
	Known      bool         `json:"known"`
	Migrations []statusStep `json:"migrations"`
}

func newStatus(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Show what is applied, pending or dirty",
		Example: "  leadgenctl migrate status\n  leadgenctl migrate status -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := migrator(cmd.Context(), f)
			if err != nil {
				return err
			}
			st, err := m.Status(cmd.Context())
			if err != nil {
				return err
			}
			return printStatus(f, st)
		},
	}
}

func printStatus(f *cmdutil.Factory, st schema.Status) error {
	return f.Print(statusOf(st), func(w io.Writer) error { return writeStatus(w, f, st) })
}

func statusOf(st schema.Status) status {
	out := status{Version: st.Version, Dirty: st.Dirty, Known: st.Known, Migrations: []statusStep{}}
	for _, m := range st.Applied {
		out.Migrations = append(out.Migrations, statusStep{m.Version, m.Name, "applied"})
	}
	for _, m := range st.Pending {
		out.Migrations = append(out.Migrations, statusStep{m.Version, m.Name, "pending"})
	}
	return out
}

func writeStatus(w io.Writer, f *cmdutil.Factory, st schema.Status) error {
	if st.Dirty {
		f.IO.Warnf("version %d is dirty: a migration was interrupted; run: leadgenctl migrate repair", st.Version)
	}
	if !st.Known {
		f.IO.Warnf("version %d is newer than this leadgenctl knows", st.Version)
	}
	var rows [][]string
	for _, m := range statusOf(st).Migrations {
		rows = append(rows, []string{fmt.Sprintf("%04d", m.Version), m.Name, m.State})
	}
	return f.Table(w, []string{"version", "name", "state"}, rows)
}

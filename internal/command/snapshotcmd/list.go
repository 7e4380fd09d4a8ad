package snapshotcmd

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/operations"
	"github.com/leadgenctl/leadgenctl/migrate/state"
)

func newList(f *cmdutil.Factory) *cobra.Command {
	var store StoreFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the snapshots and what --fix changed, newest first",
		Long: `List the snapshots, newest first. Each is read and its checksum verified. Below them,
from the database: what check-consistency --fix changed.`,
		Example: "  leadgenctl snapshot list\n  leadgenctl snapshot list --snapshot-store=postgres -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := store.Open(cmd.Context(), f)
			if err != nil {
				return err
			}
			infos, err := s.List(cmd.Context())
			if err != nil {
				return err
			}
			value := struct {
				Snapshots  []state.Info      `json:"snapshots"`
				Operations []operations.Info `json:"operations"`
			}{infos, listOperations(cmd.Context(), f)}
			return f.Print(value, func(w io.Writer) error {
				return errors.Join(listTable(f, w, s, infos), operationsTable(f, w, value.Operations))
			})
		},
	}
	store.Add(cmd)
	return cmd
}

func listTable(f *cmdutil.Factory, w io.Writer, s state.Store, infos []state.Info) error {
	if len(infos) == 0 {
		_, err := fmt.Fprintf(w, "No snapshots in %s.\n", s.Location(""))
		return err
	}
	rows := make([][]string, len(infos))
	for i, info := range infos {
		of := info.Source.String()
		if info.Damaged != "" {
			of = "DAMAGED: " + info.Damaged
		}
		rows[i] = []string{info.ID, info.Kind, strconv.Itoa(info.Keys), of}
	}
	return f.Table(w, []string{"id", "kind", "keys", "of"}, rows)
}

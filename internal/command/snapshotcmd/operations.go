package snapshotcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/internal/operations"
)

// What check-consistency --fix changed is listed, shown and taken back beside the snapshots.

// listOperations returns none where there is no database or no table for them: the
// snapshots may be files.
func listOperations(ctx context.Context, f *cmdutil.Factory) []operations.Info {
	found := []operations.Info{}
	pool, err := f.Postgres(ctx)
	if err == nil {
		found, err = operations.List(ctx, pool)
	}
	var pe *pgconn.PgError
	if errors.As(err, &pe) && (pe.Code == "42P01" || pe.Code == "3F000") {
		return []operations.Info{} // not installed: nothing was ever mended
	}
	if err != nil {
		f.IO.Warnf("what --fix changed is not listed: %v", cmdutil.Explain(err))
		return []operations.Info{}
	}
	return found
}

func operationsTable(f *cmdutil.Factory, w io.Writer, all []operations.Info) error {
	if len(all) == 0 {
		return nil
	}
	rows := make([][]string, len(all))
	for i, o := range all {
		rows[i] = []string{o.ID, cmdutil.Time(o.At), o.Operation, cmdutil.Count(o.Jobs), cmdutil.Count(o.Messages), o.Actor}
	}
	fmt.Fprintln(w)
	return f.Table(w, []string{"id", "at", "operation", "jobs", "messages", "by"}, rows)
}

// shownOperation is one as JSON.
type shownOperation struct {
	operations.Info
	Rows []operations.Job `json:"rows"`
}

func showOperation(ctx context.Context, f *cmdutil.Factory, id string) (*shownOperation, error) {
	pool, err := f.Postgres(ctx)
	if err != nil {
		return nil, err
	}
	o, err := operations.Get(ctx, pool, id)
	if err != nil {
		return nil, explainOperation(err)
	}
	rows, err := operations.Jobs(ctx, pool, o)
	return &shownOperation{o, rows}, explainOperation(err)
}

// rowsShown is how many rows a table has; JSON has all.
const rowsShown = 20

func operationTable(f *cmdutil.Factory, w io.Writer, v *shownOperation) error {
	err := f.Fields(w, [2]string{"Operation", v.ID}, [2]string{"Was", v.Operation}, [2]string{"At", cmdutil.Time(v.At)}, [2]string{"By", v.Actor},
		[2]string{"Jobs", cmdutil.Count(v.Jobs)}, [2]string{"Messages", cmdutil.Count(v.Messages)}, [2]string{"Batch", v.Batch}, [2]string{"Snapshot", v.Snapshot})
	if err != nil || len(v.Rows) == 0 {
		return err
	}
	fmt.Fprintln(w)
	var table [][]string
	for _, j := range v.Rows[:min(len(v.Rows), rowsShown)] {
		for _, field := range []string{"status", "task_id", "error", "updated_at", "completed_at"} {
			if was, is := text(j.Old[field]), text(j.New[field]); was != is {
				table = append(table, []string{strconv.FormatInt(j.ID, 10), field, was, is, string(j.Now)})
			}
		}
	}
	if err := f.Table(w, []string{"job", "field", "before", "after", "now"}, table); err != nil || len(v.Rows) <= rowsShown {
		return err
	}
	_, err = fmt.Fprintf(w, "\nand %d more jobs (-o json has all)\n", len(v.Rows)-rowsShown)
	return err
}

func text(v any) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprint(v)
}

// restoredOperation is the JSON of a restore of one.
type restoredOperation struct {
	Applied   bool   `json:"applied"`
	Operation string `json:"operation"`
	Restored  int64  `json:"restored"` // jobs that are, or would be, as they were before it
	Changed   int64  `json:"changed"`  // by others since, or gone: left as they are
}

func restoreOperation(ctx context.Context, f *cmdutil.Factory, o *RestoreOptions) error {
	v, err := showOperation(ctx, f, o.ID)
	if err != nil {
		return err
	}
	switch {
	case v.Snapshot != "":
		o.ID, o.Store = v.Snapshot, &StoreFlags{Store: "postgres"}
		return Restore(ctx, f, o)
	case v.Batch != "":
		return exit.WithHint(exit.Refusedf("%s took messages out of the queues, which put back would run a job twice; nothing was changed", v.ID),
			"they are kept whole: leadgenctl tasks restore %s", v.Batch)
	}
	count := func(now ...operations.Now) (n int64) {
		for _, j := range v.Rows {
			if slices.Contains(now, j.Now) {
				n++
			}
		}
		return n
	}
	r := restoredOperation{Operation: v.ID, Restored: count(operations.Unchanged), Changed: count(operations.Changed, operations.Gone)}
	if r.Changed > 0 && !o.Force {
		return exit.WithHint(exit.Refusedf("%d jobs were changed since %s; nothing was changed", r.Changed, v.ID),
			"see them with: leadgenctl snapshot show %s; --force takes the others back", v.ID)
	}
	if r.Restored == 0 || o.Write.DryRun {
		return f.Print(r, func(w io.Writer) error { return restoredOperationText(w, r, o.Write.DryRun) })
	}
	if err := o.Write.Confirm(ctx, f.IO, fmt.Sprintf("Put %d jobs back as they were before %s (%s)?", r.Restored, v.ID, v.Operation)); err != nil {
		return err
	}
	config, err := f.Config()
	if err != nil {
		return err
	}
	pool, err := f.Postgres(ctx)
	if err != nil {
		return err
	}
	if r.Restored, err = operations.Restore(ctx, pool, v.Info, config.Actor, o.Force); err != nil {
		return explainOperation(err)
	}
	r.Applied = true
	return f.Print(r, func(w io.Writer) error { return restoredOperationText(w, r, false) })
}

func restoredOperationText(w io.Writer, r restoredOperation, dryRun bool) error {
	left := ""
	if r.Changed > 0 {
		left = fmt.Sprintf("; %d were changed since, and are left", r.Changed)
	}
	var err error
	switch {
	case r.Restored == 0:
		_, err = fmt.Fprintf(w, "Nothing to do: the jobs are as they were before %s%s.\n", r.Operation, left)
	case dryRun:
		_, err = fmt.Fprintf(w, "Would put %d jobs back as they were before %s%s.\n", r.Restored, r.Operation, left)
	default:
		_, err = fmt.Fprintf(w, "Put %d jobs back as they were before %s%s.\n", r.Restored, r.Operation, left)
	}
	return err
}

func explainOperation(err error) error {
	var pe *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, operations.ErrNone):
		return exit.WithHint(exit.Usagef("%w", err), "see: leadgenctl snapshot list")
	case errors.Is(err, operations.ErrChanged):
		return exit.Refusedf("%w; nothing was changed", err)
	case errors.As(err, &pe) && pe.ConstraintName == "leadgenctl_job_guard":
		return exit.WithHint(exit.Refusedf("%w; nothing was changed", err), "the guard refuses the way back; it lets it pass after: leadgenctl queue guard observe")
	}
	return cmdutil.Explain(err)
}

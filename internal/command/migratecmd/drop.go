package migratecmd

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/campaign/enumdrop"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

// preparedNote is said before a type is exchanged.
const preparedNote = `statements that a driver keeps prepared on pooled connections and that return or take the status fail once
per connection with "cached plan must not change result type" after the swap: pgx and asyncpg (they
prepare again by themselves outside a transaction), JDBC after 5 uses. psycopg2 prepares nothing.`

// dropFlags are those of the physical drop.
type dropFlags struct {
	strategy     string
	maxLoad      int
	maxLag       time.Duration
	rewriteLimit int64
}

func (d *dropFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&d.strategy, "strategy", string(enumdrop.Retire), "how the value goes: retire (rename it), rewrite, online or auto")
	cmd.Flags().IntVar(&d.maxLoad, "max-load", 0, "halt the back-fill while more sessions than that are active (0: no limit)")
	cmd.Flags().DurationVar(&d.maxLag, "max-lag", 10*time.Second, "halt the back-fill while a replica is further behind (0: no limit)")
	cmd.Flags().Int64Var(&d.rewriteLimit, "rewrite-limit", 8<<20, "the size in bytes, with indexes, up to which a table may be rewritten under its lock")
}

func (d *dropFlags) parse() (enumdrop.Strategy, error) {
	s := enumdrop.Strategy(d.strategy)
	if d.strategy == "" {
		s = enumdrop.Retire
	}
	if !slices.Contains(enumdrop.Strategies, s) {
		return "", exit.Usagef("--strategy %s: it is one of retire, rewrite, online and auto", d.strategy)
	}
	if d.maxLoad < 0 || d.maxLag < 0 || d.rewriteLimit < 0 {
		return "", exit.Usagef("--max-load, --max-lag and --rewrite-limit cannot be negative")
	}
	return s, nil
}

func (d *dropFlags) settings() enumdrop.Settings {
	lag := d.maxLag
	if lag == 0 {
		lag = -1 // where the library's zero is its default
	}
	return enumdrop.Settings{MaxLoad: d.maxLoad, MaxLag: lag, RewriteLimit: d.rewriteLimit}
}

// columnNote is what the online way cannot carry over.
const columnNote = "the new column stands at the end of its table: SELECT * and INSERT without column names see another order, by name nothing changes"

// physical says what the strategy does beyond the files, and why; nothing for retire.
func physical(ctx context.Context, f *cmdutil.Factory, m *schema.Migrator, s enumdrop.Strategy, to string) ([]string, error) {
	if s == enumdrop.Retire || s == "" || !m.Removes(to) {
		return nil, nil
	}
	plan, err := m.DropPlan(ctx)
	if err != nil {
		return nil, explain(err)
	}
	if plan.Refused != "" {
		return nil, exit.WithHint(exit.Refusedf("campaignstatus.PAUSED cannot be removed by %s: %s", plan.Strategy, plan.Refused), "choose --strategy retire, which changes no table")
	}
	if !plan.Inventory.Present {
		return nil, nil
	}
	f.IO.Warnf("strategy %s: %s", plan.Strategy, plan.Why)
	if plan.Strategy == enumdrop.Retire {
		return nil, nil
	}
	f.IO.Warnf("%s", preparedNote)
	if plan.Strategy == enumdrop.Online {
		f.IO.Warnf("%s", columnNote)
	}
	return []string{"removal of campaignstatus.PAUSED, " + string(plan.Strategy)}, nil
}

// newDropValue is for a stray label such as jobstatus.paused.
func newDropValue(f *cmdutil.Factory) *cobra.Command {
	var d dropFlags
	var write cmdutil.WriteFlags
	cmd := &cobra.Command{
		Use:   "drop-value TYPE VALUE",
		Short: "Take a stray value, such as jobstatus paused, out of an enumeration",
		Long: `Take a stray value out of an enumeration, by the same machinery as the drop of the
campaigns' PAUSED. It refuses while a row has the value.`,
		Example: `  leadgenctl migrate drop-value jobstatus paused --yes
  leadgenctl migrate drop-value jobstatus paused --strategy auto --dry-run`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDropValue(cmd.Context(), f, args[0], args[1], d, write)
		},
	}
	d.add(cmd)
	write.Add(cmd)
	return cmd
}

func runDropValue(ctx context.Context, f *cmdutil.Factory, typ, value string, flags dropFlags, write cmdutil.WriteFlags) error {
	strategy, err := flags.parse()
	if err != nil {
		return err
	}
	pool, err := f.Postgres(ctx)
	if err != nil {
		return err
	}
	s := flags.settings()
	s.Type, s.Value = typ, value
	d, err := enumdrop.New(pool, s)
	if err != nil {
		return exit.Usagef("%w", err)
	}
	plan, err := d.Plan(ctx, strategy)
	if err != nil {
		return explain(schema.ExplainDrop(err))
	}
	if plan.Refused != "" {
		return exit.WithHint(exit.Refusedf("%s.%s cannot be removed by %s: %s", typ, value, plan.Strategy, plan.Refused), "choose --strategy retire, which changes no table")
	}
	changes := len(plan.Statements) > 0
	if changes && !write.DryRun {
		if err := write.Confirm(ctx, f.IO, "Remove "+value+" from "+typ+" ("+string(plan.Strategy)+")?"); err != nil {
			return err
		}
		bar := f.Progress("back-fill", 0)
		defer bar.Done()
		settings := schema.Settings{Drop: flags.settings()}
		settings.Drop.Progress = bar.Set
		m, err := migratorWith(ctx, f, settings)
		if err != nil {
			return err
		}
		if err := m.DropValue(ctx, typ, value, plan.Strategy); err != nil {
			return explain(err)
		}
	}
	out := struct {
		Changed    bool     `json:"changed"`
		DryRun     bool     `json:"dry_run"`
		Strategy   string   `json:"strategy"`
		Why        string   `json:"why"`
		Statements []string `json:"statements"`
	}{changes && !write.DryRun, write.DryRun, string(plan.Strategy), plan.Why, []string{}}
	for _, st := range plan.Statements {
		out.Statements = append(out.Statements, st.SQL)
	}
	return f.Print(out, func(w io.Writer) error {
		if !changes {
			_, err := io.WriteString(w, "nothing to do\n")
			return err
		}
		if write.DryRun {
			return printPlan(w, []schema.Step{schema.DropStep(plan)})
		}
		_, err := io.WriteString(w, "removed "+value+" from "+typ+" ("+string(plan.Strategy)+")\n")
		return err
	})
}

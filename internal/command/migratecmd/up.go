package migratecmd

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/campaign"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

// move is the result of up and down.
type move struct {
	Changed bool     `json:"changed"`
	DryRun  bool     `json:"dry_run"`
	Version uint     `json:"version"`
	Steps   []string `json:"steps"`
}

type upOptions struct {
	to        string
	resolve   string
	revisions []string
	drop      dropFlags
	write     cmdutil.WriteFlags
}

func newUp(f *cmdutil.Factory) *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Apply what is pending, the gate and the drop among it",
		Long: `Apply what is pending, the gate and the drop among it. While campaigns are PAUSED it
stops at the gate, which lets no new one in, and changes none, unless --resolve says
what they become.`,
		Example: `  leadgenctl migrate up --to base --yes
  leadgenctl migrate up --dry-run
  leadgenctl migrate up --resolve RUNNING --yes
  leadgenctl migrate up --strategy auto --max-load 20 --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runUp(cmd.Context(), f, o) },
	}
	cmd.Flags().StringVar(&o.to, "to", schema.Latest, "where to stop: base, latest, a version or a migration's name")
	cmd.Flags().StringVar(&o.resolve, "resolve", "", "what PAUSED campaigns become at the gate: RUNNING, CREATED or FAILED")
	cmd.Flags().StringSliceVar(&o.revisions, "allow-revision", nil, "accept an Alembic revision of the platform that leadgenctl does not know")
	o.drop.add(cmd)
	o.write.Add(cmd)
	return cmd
}

// settings refuses a resolution that is none.
func (o upOptions) settings(f *cmdutil.Factory) (schema.Settings, error) {
	c, err := f.Config()
	if err != nil {
		return schema.Settings{}, err
	}
	to := campaign.Status(strings.ToUpper(o.resolve))
	if to != "" && !slices.Contains(campaign.Targets, to) {
		return schema.Settings{}, exit.Usagef("--resolve %s: a paused campaign can become RUNNING, CREATED or FAILED", o.resolve)
	}
	strategy, err := o.drop.parse()
	if err != nil {
		return schema.Settings{}, err
	}
	return schema.Settings{Strategy: strategy, Drop: o.drop.settings(), Resolve: to, Actor: c.Actor, AllowRevisions: o.revisions}, nil
}

func runUp(ctx context.Context, f *cmdutil.Factory, o upOptions) error {
	result := move{DryRun: o.write.DryRun, Steps: []string{}}
	s, err := o.settings(f)
	if err != nil {
		return err
	}
	s.OnApplied = func(m schema.Migration, _ bool) { result.Steps = append(result.Steps, m.String()) }
	bar := f.Progress("back-fill", 0)
	defer bar.Done()
	s.Drop.Progress = bar.Set
	m, err := migratorWith(ctx, f, s)
	if err != nil {
		return err
	}
	pending, err := m.Pending(ctx, o.to)
	if err != nil {
		return explain(err)
	}
	if o.write.DryRun {
		for _, p := range pending {
			result.Steps = append(result.Steps, p.String())
		}
		more, err := physical(ctx, f, m, s.Strategy, o.to)
		if err != nil {
			return err
		}
		result.Steps = append(result.Steps, more...)
		return printMove(ctx, f, m, result, "would apply")
	}
	for _, p := range pending {
		if p.ChangesPlatform {
			if err := o.write.Confirm(ctx, f.IO, "Apply "+p.String()+", which changes the platform's own tables?"); err != nil {
				return err
			}
			break
		}
	}
	more, err := physical(ctx, f, m, s.Strategy, o.to)
	if err != nil {
		return err
	}
	if len(more) > 0 {
		if err := o.write.Confirm(ctx, f.IO, "Exchange the type of the campaigns' status?"); err != nil {
			return err
		}
	}
	if err := m.Up(ctx, o.to); err != nil {
		if len(result.Steps) > 0 {
			f.IO.Warnf("applied before that: %s", strings.Join(result.Steps, ", "))
		}
		return explain(err)
	}
	result.Steps = append(result.Steps, more...)
	return printMove(ctx, f, m, result, "applied")
}

func printMove(ctx context.Context, f *cmdutil.Factory, m *schema.Migrator, result move, verb string) error {
	st, err := m.Status(ctx)
	if err != nil {
		return err
	}
	result.Version, result.Changed = st.Version, len(result.Steps) > 0 && !result.DryRun
	return f.Print(result, func(w io.Writer) error {
		if len(result.Steps) == 0 {
			_, err := io.WriteString(w, "nothing to do\n")
			return err
		}
		for _, s := range result.Steps {
			if _, err := io.WriteString(w, verb+" "+s+"\n"); err != nil {
				return err
			}
		}
		return nil
	})
}

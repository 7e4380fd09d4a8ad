package schema

import (
	"context"
	"errors"
	"fmt"

	"github.com/golang-migrate/migrate/v4"
	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/campaign"
	"github.com/leadgenctl/leadgenctl/campaign/enumdrop"
)

// dropName is the migration that retires PAUSED.
const dropName = "campaign_drop"

// dropper is the remover of campaignstatus.PAUSED.
func (m *Migrator) dropper() (*enumdrop.Dropper, error) {
	return m.dropperOf("campaignstatus", string(campaign.Paused))
}

func (m *Migrator) dropperOf(typ, value string) (*enumdrop.Dropper, error) {
	s := m.settings.Drop
	s.Type, s.Value, s.Step = typ, value, m.settings.Step
	return enumdrop.New(m.pool, s)
}

// removePhysically is what a strategy beyond retire adds once the drop is applied. The
// value is retired by then: nobody can write it while the column is exchanged.
func (m *Migrator) removePhysically(ctx context.Context, target string) error {
	if !m.Removes(target) {
		return nil
	}
	d, err := m.dropper()
	if err != nil {
		return err
	}
	return ExplainDrop(d.Drop(ctx, m.settings.Strategy))
}

// Removes says whether a run to the target ends with a physical removal.
func (m *Migrator) Removes(target string) bool {
	to, err := resolve(m.all, target)
	return err == nil && m.settings.Strategy != "" && m.settings.Strategy != enumdrop.Retire && m.all[m.index(to)].String() >= m.drop().String()
}

func (m *Migrator) drop() Migration {
	for _, mig := range m.all {
		if mig.Name == dropName {
			return mig
		}
	}
	return Migration{}
}

// abandonDrop takes away what a killed online drop has left.
func (m *Migrator) abandonDrop(ctx context.Context) error {
	d, err := m.dropper()
	if err != nil {
		return err
	}
	return ExplainDrop(d.Abandon(ctx))
}

// restorePaused puts back the campaigns that were resolved, now that the value and the
// way to it are back. Those which anyone has changed since are left.
func (m *Migrator) restorePaused(ctx context.Context) error {
	c, err := campaign.New(m.pool)
	if err != nil {
		return err
	}
	rows, err := m.pool.Query(ctx, "SELECT DISTINCT change_id FROM leadgenctl.campaign_changes WHERE undone_at IS NULL ORDER BY change_id DESC")
	if err != nil {
		return fmt.Errorf("look for resolved campaigns: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look for resolved campaigns: %w", err)
	}
	for _, id := range ids {
		if _, err := c.Undo(ctx, campaign.UndoOptions{ChangeID: id, Actor: m.settings.Actor}); err != nil {
			return err
		}
	}
	return nil
}

// DropPlan is what Up with the strategy would do to campaignstatus.
func (m *Migrator) DropPlan(ctx context.Context) (enumdrop.Plan, error) {
	d, err := m.dropper()
	if err != nil {
		return enumdrop.Plan{}, err
	}
	return d.Plan(ctx, m.settings.Strategy)
}

// DropValue takes another value out of another enumeration by the same machinery, under
// the same lock; see enumdrop.
func (m *Migrator) DropValue(ctx context.Context, typ, value string, strategy enumdrop.Strategy) error {
	d, err := m.dropperOf(typ, value)
	if err != nil {
		return err
	}
	return m.run(ctx, func(*migrate.Migrate, *driver) error { return ExplainDrop(d.Drop(ctx, strategy)) })
}

// ExplainDrop turns the errors of package enumdrop into those of this package.
func ExplainDrop(err error) error {
	var refused *enumdrop.RefusedError
	var blocked *enumdrop.BlockedError
	switch {
	case errors.As(err, &refused):
		return &RefusedError{Migration: dropName, Message: refused.Reason, Hint: refused.Hint}
	case errors.As(err, &blocked):
		return &BlockedError{Migration: dropName + ", " + blocked.What, Tries: blocked.Tries, Blockers: blocked.Blockers}
	}
	return err
}

// DropStep is a plan of enumdrop as a step.
func DropStep(p enumdrop.Plan) Step {
	s := Step{Migration: fmt.Sprintf("removal of %s.%s by %s: %s", p.Inventory.Type, p.Inventory.Value, p.Strategy, p.Why), Statements: []Statement{}}
	for _, st := range p.Statements {
		out := Statement{SQL: st.SQL + ";", Lock: st.Lock, Table: st.Table, Work: st.Work}
		for _, c := range p.Inventory.Columns {
			if c.Table == st.Table {
				out.Rows, out.Bytes = c.Rows, c.Bytes
			}
		}
		s.Statements = append(s.Statements, out)
	}
	return s
}

// planRemoval adds what the strategy does beyond the files.
func (m *Migrator) planRemoval(ctx context.Context, target string, steps []Step) ([]Step, error) {
	if !m.Removes(target) {
		return steps, nil
	}
	plan, err := m.DropPlan(ctx)
	if err != nil {
		return nil, ExplainDrop(err)
	}
	if plan.Refused != "" {
		return nil, &RefusedError{Migration: dropName, Message: plan.Refused, Hint: "choose --strategy retire, which changes no table"}
	}
	if len(plan.Statements) == 0 {
		return steps, nil
	}
	return append(steps, DropStep(plan)), nil
}

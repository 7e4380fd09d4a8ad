package schema

import (
	"context"

	"github.com/golang-migrate/migrate/v4"

	"github.com/leadgenctl/leadgenctl/campaign"
	"github.com/leadgenctl/leadgenctl/campaign/enumdrop"
)

// How says what Repair does about a removal that is half done.
type How int

// The ways.
const (
	Report How = iota // say what is half done
	Finish            // complete it
	Undo              // take away what it made; a value that is retired stays so
)

// Unfinished is the removal of a value that a kill has interrupted.
type Unfinished struct {
	Type, Value string
	Left        []string // what it has made, in words
}

// removals are the values that leadgenctl takes out of the platform's enumerations.
var removals = []struct{ typ, value string }{{"campaignstatus", string(campaign.Paused)}, {"jobstatus", "paused"}}

// Unfinished finds removals that are half done; rights to read are enough.
func (m *Migrator) Unfinished(ctx context.Context) ([]Unfinished, error) {
	var out []Unfinished
	for _, r := range removals {
		d, err := m.dropperOf(r.typ, r.value)
		if err != nil {
			return nil, err
		}
		left, err := d.Unfinished(ctx)
		if err != nil {
			return nil, err
		}
		if len(left) > 0 {
			out = append(out, Unfinished{Type: r.typ, Value: r.value, Left: left})
		}
	}
	return out, nil
}

// Repair mends a version that an interruption left dirty, and does with removals that
// are half done as told. It returns what it found half done, and the status after it.
// A run that is still at work is a *LockedError.
func (m *Migrator) Repair(ctx context.Context, how How) (found []Unfinished, st Status, err error) {
	if found, err = m.Unfinished(ctx); err != nil {
		return nil, Status{}, err
	}
	if st, err = m.Status(ctx); err != nil || !st.Dirty && len(found) == 0 {
		return found, st, err
	}
	err = m.run(ctx, func(*migrate.Migrate, *driver) error { // which mends the version
		if how == Report {
			return nil
		}
		for _, u := range found {
			if err := m.settle(ctx, u, how); err != nil {
				return ExplainDrop(err)
			}
		}
		return nil
	})
	if err != nil {
		return found, st, err
	}
	st, err = m.Status(ctx)
	return found, st, err
}

func (m *Migrator) settle(ctx context.Context, u Unfinished, how How) error {
	d, err := m.dropperOf(u.Type, u.Value)
	if err != nil {
		return err
	}
	if how == Undo {
		return d.Abandon(ctx)
	}
	inv, err := d.Inventory(ctx)
	if err != nil {
		return err
	}
	if !inv.Retired {
		return d.Drop(ctx, enumdrop.Retire) // only its gate was made
	}
	return d.Drop(ctx, enumdrop.Online)
}

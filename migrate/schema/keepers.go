package schema

import (
	"context"
	"fmt"
	"strings"

	"github.com/golang-migrate/migrate/v4"

	"github.com/leadgenctl/leadgenctl/campaign"
	"github.com/leadgenctl/leadgenctl/queue"
)

// Keeper is what a migration puts on a table of the platform to keep wrong values out.
type Keeper struct {
	Name  string
	Fault string // what is wrong with it, such as "is missing"

	find   string   // reads Fault
	accept string   // a fault that is none as far as the migrations go
	again  []repeat // put it back; no record of ours is touched
}

// repeat is a part of a migration, run once more in a transaction of its own.
type repeat struct {
	migration Migration
	sql       string
}

// keepers are those of the applied migrations.
func keepers(applied []Migration) []Keeper {
	named := make(map[string]Migration)
	for _, mig := range applied {
		named[mig.Name] = mig
	}
	var out []Keeper
	if mig, ok := named["job_guard"]; ok {
		sql := "DROP TRIGGER IF EXISTS leadgenctl_job_guard ON jobs;\n" +
			strings.Replace(mig.statement("CREATE FUNCTION"), "CREATE", "CREATE OR REPLACE", 1) + mig.statement("CREATE TRIGGER") +
			"INSERT INTO leadgenctl.job_guard (mode) VALUES ('observe') ON CONFLICT DO NOTHING"
		out = append(out, Keeper{Name: "the trigger leadgenctl_job_guard", find: queue.GuardFaultSQL(), again: []repeat{{mig, sql}}})
	}
	if mig, ok := named[firstBeyondBase]; ok {
		k := Keeper{Name: "the constraint leadgenctl_campaign_not_paused", find: campaign.GateFaultSQL, accept: campaign.GateFaultNotValidated}
		k.again = []repeat{{mig, "ALTER TABLE campaigns DROP CONSTRAINT IF EXISTS leadgenctl_campaign_not_paused;\n" + mig.Up}}
		if valid, ok := named["campaign_gate_valid"]; ok {
			k.accept, k.again = "", append(k.again, repeat{valid, valid.Up})
		}
		out = append(out, k)
	}
	return out
}

// statement returns the one of Up that begins so.
func (m Migration) statement(prefix string) string {
	for _, s := range m.Statements() {
		if strings.HasPrefix(s.SQL, prefix) {
			return s.SQL + "\n"
		}
	}
	return ""
}

// Changed returns the keepers that are not as the applied migrations made them: somebody
// has changed them or taken them away. Rights to read are enough.
func (m *Migrator) Changed(ctx context.Context) ([]Keeper, error) {
	at, err := m.at(ctx)
	if err != nil {
		return nil, err
	}
	var out []Keeper
	for _, k := range keepers(m.all[:at+1]) {
		if err := m.pool.QueryRow(ctx, k.find).Scan(&k.Fault); err != nil {
			return nil, fmt.Errorf("look at %s: %w", k.Name, err)
		}
		if k.Fault != "" && k.Fault != k.accept {
			out = append(out, k)
		}
	}
	return out, nil
}

// PutBack makes what Changed returns as it was, and returns it. The guard keeps its mode
// and what it has recorded.
func (m *Migrator) PutBack(ctx context.Context) ([]Keeper, error) {
	found, err := m.Changed(ctx)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found, m.run(ctx, func(_ *migrate.Migrate, d *driver) error {
		for _, k := range found {
			for _, r := range k.again {
				if err := m.patiently(ctx, r.migration, func() error { return lockOrExplain(r.migration, d.Run(strings.NewReader(r.sql))) }); err != nil {
					return fmt.Errorf("put back %s: %w", k.Name, err)
				}
			}
		}
		return nil
	})
}

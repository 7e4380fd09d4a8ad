package campaign

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Gate says how the database keeps PAUSED out of campaigns.
type Gate string

// The states of the gate.
const (
	GateMissing      Gate = "missing"       // nothing keeps a program from writing PAUSED
	GateNotValidated Gate = "not_validated" // new rows are kept out; old ones were not looked at
	GateValidated    Gate = "validated"     // no row is or can become PAUSED
	GateDropped      Gate = "dropped"       // the enumeration has no such value any more
)

// Overview is how many campaigns there are in each status, and what keeps PAUSED out.
type Overview struct {
	Total    int64            `json:"total"`
	Counts   map[Status]int64 `json:"counts"` // every status of the new rules, and others that rows have
	Paused   int64            `json:"paused"`
	EnumHas  bool             `json:"enum_has_paused"`
	Gate     Gate             `json:"gate"`
	Orphaned int64            `json:"without_organization"`
}

// Status counts the campaigns. One consistent reading.
func (m *Manager) Status(ctx context.Context) (Overview, error) {
	o := Overview{Counts: map[Status]int64{}}
	for _, s := range Statuses {
		o.Counts[s] = 0
	}
	err := pgx.BeginTxFunc(ctx, m.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := o.count(ctx, tx); err != nil {
			return err
		}
		var validated *bool
		err := tx.QueryRow(ctx, `SELECT
			EXISTS (SELECT FROM pg_enum WHERE enumtypid = to_regtype('campaignstatus') AND enumlabel = 'PAUSED'),
			(SELECT bool_or(convalidated) FROM pg_constraint WHERE conrelid = to_regclass('campaigns')
				AND contype = 'c' AND pg_get_constraintdef(oid) LIKE '%status%<>%PAUSED%')`).Scan(&o.EnumHas, &validated)
		if err != nil {
			return err
		}
		o.Gate = gate(o.EnumHas, validated)
		return nil
	})
	if err != nil {
		return Overview{}, fmt.Errorf("count the campaigns: %w", err)
	}
	return o, nil
}

func (o *Overview) count(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT c.status::text, count(*), count(*) FILTER (WHERE o.id IS NULL)
		FROM campaigns c LEFT JOIN organizations o ON o.id = c.organization_id GROUP BY 1`)
	if err != nil {
		return err
	}
	var (
		status   Status
		n, alone int64
	)
	_, err = pgx.ForEachRow(rows, []any{&status, &n, &alone}, func() error {
		o.Counts[status] = n
		o.Total += n
		o.Orphaned += alone
		if status == Paused || status == Retired {
			o.Paused += n
		}
		return nil
	})
	return err
}

func gate(enumHas bool, validated *bool) Gate {
	switch {
	case validated != nil && *validated:
		return GateValidated
	case !enumHas:
		return GateDropped
	case validated != nil:
		return GateNotValidated
	default:
		return GateMissing
	}
}

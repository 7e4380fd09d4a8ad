package campaign

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Campaign is what a person needs to recognise a campaign.
type Campaign struct {
	ID             string    `json:"id"`
	Name           string    `json:"name"`
	OrganizationID string    `json:"organization_id"`
	UpdatedAt      time.Time `json:"updated_at"` // of a paused campaign: since when it is paused
	StatusMessage  *string   `json:"status_message"`
}

// Manager reads and moves campaigns. Safe for concurrent use. It works through a
// pooler in transaction mode; reading needs no more than SELECT.
type Manager struct{ pool *pgxpool.Pool }

// New returns a Manager.
func New(pool *pgxpool.Pool) (*Manager, error) {
	if pool == nil {
		return nil, errors.New("campaign: a connection to PostgreSQL is required")
	}
	return &Manager{pool: pool}, nil
}

// CheckPaused returns the campaigns that are still PAUSED, those that were paused
// first at the head. It works whether or not the enumeration still has the value.
func (m *Manager) CheckPaused(ctx context.Context) ([]Campaign, error) {
	rows, err := m.pool.Query(ctx, `SELECT id, name, organization_id, updated_at, status_message
		FROM campaigns WHERE status::text = ANY ($1) ORDER BY updated_at, id`, pausedLabels)
	if err != nil {
		return nil, fmt.Errorf("look for paused campaigns: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Campaign])
	if err != nil {
		return nil, fmt.Errorf("look for paused campaigns: %w", err)
	}
	for i := range found {
		found[i].UpdatedAt = found[i].UpdatedAt.UTC()
	}
	return found, nil
}

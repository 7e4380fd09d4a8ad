package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// KnownRevisions are the Alembic heads of the platform that the migrations fit.
var KnownRevisions = []string{"02bc375f16d5"}

// checkRevision reads alembic_version, and never writes it.
func (m *Migrator) checkRevision(ctx context.Context) error {
	var revision string
	err := m.pool.QueryRow(ctx, "SELECT version_num FROM alembic_version LIMIT 1").Scan(&revision)
	var pe *pgconn.PgError
	if err != nil && !errors.Is(err, pgx.ErrNoRows) && !(errors.As(err, &pe) && pe.Code == "42P01") {
		return fmt.Errorf("read the platform's Alembic revision: %w", err)
	}
	known := slices.Concat(KnownRevisions, m.settings.AllowRevisions)
	if !slices.Contains(known, revision) {
		return &RevisionError{Revision: revision, Known: known}
	}
	return nil
}

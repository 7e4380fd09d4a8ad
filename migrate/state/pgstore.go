package state

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// PostgresStore keeps snapshots in the table leadgenctl.snapshots, which the
// migration 0002_snapshots makes. An error of a missing table is a *pgconn.PgError.
type PostgresStore struct{ Pool *pgxpool.Pool }

// Location names the table, and the row where an id is given.
func (s *PostgresStore) Location(id string) string {
	where := "leadgenctl.snapshots in database " + s.Pool.Config().ConnConfig.Database
	if id != "" {
		where += ", id " + id
	}
	return where
}

// Save inserts the snapshot, or replaces its earlier version.
func (s *PostgresStore) Save(ctx context.Context, snap *Snapshot) error {
	data, _, err := encode(snap)
	if err != nil {
		return err
	}
	source, err := json.Marshal(snap.Source)
	if err != nil {
		return fmt.Errorf("encode the source of the snapshot %s: %w", snap.ID, err)
	}
	_, err = s.Pool.Exec(ctx, `
		INSERT INTO leadgenctl.snapshots (id, created_at, kind, source, checksum, data)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (id) DO UPDATE SET checksum = EXCLUDED.checksum, data = EXCLUDED.data`,
		snap.ID, snap.CreatedAt, snap.Kind, string(source), sumOf(data), data)
	if err != nil {
		return fmt.Errorf("save the snapshot %s in PostgreSQL: %w", snap.ID, err)
	}
	return nil
}

// Load reads and checks one snapshot.
func (s *PostgresStore) Load(ctx context.Context, id string) (*Snapshot, error) {
	var data []byte
	var checksum string
	err := s.Pool.QueryRow(ctx, `SELECT data, checksum FROM leadgenctl.snapshots WHERE id = $1`, id).Scan(&data, &checksum)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("snapshot %s in %s: %w", clip(id), s.Location(""), ErrNoSnapshot)
	}
	if err != nil {
		return nil, fmt.Errorf("read the snapshot %s: %w", clip(id), err)
	}
	snap, err := load(id, data)
	if err == nil && checksum != sumOf(data) {
		err = &DamagedError{ID: id, Reason: "the checksum of its row does not fit"}
	}
	return snap, err
}

func sumOf(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

// List reads and checks every snapshot of the breaker's keys.
func (s *PostgresStore) List(ctx context.Context) ([]Info, error) {
	rows, err := s.Pool.Query(ctx, `
		SELECT id, data FROM leadgenctl.snapshots WHERE kind IN ($1, $2, $3) ORDER BY id DESC`, KindMigrate, KindRollback, KindFix)
	if err != nil {
		return nil, fmt.Errorf("list the snapshots: %w", err)
	}
	infos := []Info{}
	var id string
	var data []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &data}, func() error {
		infos = append(infos, infoOf(id, s.Location(id), data))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the snapshots: %w", err)
	}
	return infos, nil
}

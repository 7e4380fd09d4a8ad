package state_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
	"github.com/leadgenctl/leadgenctl/migrate/state"
)

func TestSnapshotsInPostgres(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	s := &state.PostgresStore{Pool: db.Pool}
	var pe *pgconn.PgError
	if err := s.Save(ctx, sample()); !errors.As(err, &pe) {
		t.Errorf("without the table: %v", err)
	}
	m, err := schema.New(db.Pool, schema.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Up(ctx, schema.Base); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, testenv.NewRedis(t).Client, func(set *state.Settings) { set.Store = s })
	r.Open("apollo", base(), "down", "http_5xx", 1)
	before := dumpAll(t, r.Client, "circuit_breaker:apollo")
	r.migrate()
	r.rollback(state.RollbackOptions{ID: "latest"})
	sameKeys(t, before, dumpAll(t, r.Client, "circuit_breaker:apollo"))

	for range 2 { // saving again replaces
		if err := s.Save(ctx, sample()); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Load(ctx, sample().ID)
	if err != nil || cmp.Diff(sample(), got) != "" {
		t.Errorf("%v: %s", err, cmp.Diff(sample(), got))
	}
	infos, err := s.List(ctx)
	if err != nil || len(infos) != 3 {
		t.Errorf("listed as %+v, %v", infos, err)
	}
	if _, err := s.Load(ctx, "20260105t102041870z-ffffffff"); !errors.Is(err, state.ErrNoSnapshot) {
		t.Errorf("got %v", err)
	}
	var damaged *state.DamagedError
	if _, err := db.Pool.Exec(ctx, `UPDATE leadgenctl.snapshots SET data = substr(data, 1, 100) WHERE id = $1`, sample().ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(ctx, sample().ID); !errors.As(err, &damaged) {
		t.Errorf("cut: %v", err)
	}
}

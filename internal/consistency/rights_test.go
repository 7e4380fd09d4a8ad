package consistency_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
)

// as makes a pool of a role that every server has and that has no rights on tables.
func (h *house) as(role string) *pgxpool.Pool {
	h.t.Helper()
	c := h.pool.Config()
	c.ConnConfig.RuntimeParams["role"] = role
	pool, err := pgxpool.NewWithConfig(context.Background(), c)
	h.must(err)
	h.t.Cleanup(pool.Close)
	return pool
}

// What a role may not read is there all the same; what the search_path does not find is not.
func TestColumnsAreThereForARoleWithoutRights(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	of := func(pool *pgxpool.Pool) consistency.Result {
		return find(h.run(func(o *consistency.Options) { o.Pool, o.Only, o.MaxSamples = pool, []string{"LGS008"}, 50 }), "LGS008")
	}
	pool := h.as("pg_monitor")
	if got := of(pool); got.Status != consistency.Pass {
		t.Errorf("%+v", got)
	}
	h.exec("ALTER SCHEMA public RENAME TO elsewhere")
	if got := of(pool); got.Status != consistency.Fail || got.Count < 20 || !containsAll(got.Samples, "jobs.status", "alembic_version.version_num") {
		t.Errorf("without the schema: %+v", got)
	}
}

func TestRightsBeyondReadingAreTold(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	pool := h.as("pg_monitor")
	rights := func() consistency.Result {
		return find(h.run(func(o *consistency.Options) { o.Pool, o.Only = pool, []string{"LGE003"} }), "LGE003")
	}
	h.exec("GRANT SELECT ON jobs, campaigns, leads, organizations TO pg_monitor")
	if got := rights(); got.Count != 0 {
		t.Errorf("rights to read: %+v", got)
	}
	h.exec("GRANT INSERT ON leads TO pg_monitor")
	h.exec("GRANT UPDATE (name) ON organizations TO pg_monitor")
	h.exec("GRANT DELETE ON jobs TO pg_monitor")
	h.exec("GRANT TRUNCATE ON campaigns TO pg_monitor")
	if got := rights(); !containsAll(got.Samples, "role pg_monitor: may change campaigns, jobs, leads, organizations") {
		t.Errorf("%+v", got)
	}
}

package campaign_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leadgenctl/leadgenctl/campaign"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

func TestTransitionsAreThoseOfTheRules(t *testing.T) {
	t.Parallel()
	legal := map[[2]campaign.Status]bool{
		{campaign.Created, campaign.Running}: true, {campaign.Created, campaign.Failed}: true,
		{campaign.Running, campaign.Completed}: true, {campaign.Running, campaign.Failed}: true,
	}
	for _, from := range campaign.Statuses {
		if from.Final() != (from == campaign.Completed || from == campaign.Failed) {
			t.Errorf("%s: final is %v", from, from.Final())
		}
		for _, to := range campaign.Statuses {
			if got := from.CanBecome(to); got != legal[[2]campaign.Status{from, to}] {
				t.Errorf("%s to %s: %v", from, to, got)
			}
		}
	}
}

func TestResolveAndUndoBringBackEveryByte(t *testing.T) {
	t.Parallel()
	for _, to := range campaign.Targets {
		t.Run(string(to), func(t *testing.T) {
			t.Parallel()
			m, db := newManager(t)
			ids := []string{db.NewCampaign(t, "PAUSED").CampaignID, db.NewCampaign(t, "PAUSED").CampaignID}
			db.NewCampaign(t, "RUNNING")
			exec(t, db, `UPDATE campaigns SET status_message = 'Paused: apollo', status_error = 'Apollo 502', completed_at = now(),
				updated_at = now() - interval '1 day' WHERE id = $1`, ids[0])
			before := rows(t, db)

			plan, err := m.ResolvePaused(t.Context(), campaign.ResolveOptions{To: to, Actor: "ann@host", DryRun: true})
			if err != nil || len(plan.Campaigns) != 2 || plan.ChangeID != "" || rows(t, db) != before {
				t.Fatalf("dry run: %+v, %v", plan, err)
			}
			r, err := m.ResolvePaused(t.Context(), campaign.ResolveOptions{To: to, Actor: "ann@host"})
			if err != nil || len(r.Campaigns) != 2 || r.ChangeID == "" {
				t.Fatalf("%+v, %v", r, err)
			}
			if a, b := plan.Campaigns[0], r.Campaigns[0]; a.ID != b.ID || *a.NewStatusMessage != *b.NewStatusMessage {
				t.Errorf("the dry run promised %+v; done was %+v", a, b)
			}
			if err := db.Expect(`SELECT count(*) = 2 AND bool_and((status_error IS NOT NULL) = (status = 'FAILED') AND completed_at IS NULL
				AND (failed_at IS NOT NULL) = (status = 'FAILED')) FROM campaigns WHERE id = ANY ($1) AND status::text = $2`, ids, string(to)); err != nil {
				t.Error(err)
			}
			if again, err := m.ResolvePaused(t.Context(), campaign.ResolveOptions{To: to}); err != nil || len(again.Campaigns) != 0 || again.ChangeID != "" {
				t.Errorf("second run: %+v, %v", again, err)
			}
			if u, err := m.Undo(t.Context(), campaign.UndoOptions{DryRun: true}); err != nil || u.Restored != 2 || rows(t, db) == before {
				t.Fatalf("dry undo: %+v, %v", u, err)
			}
			u, err := m.Undo(t.Context(), campaign.UndoOptions{ChangeID: r.ChangeID, Actor: "ann@host"})
			if err != nil || u.Restored != 2 || u.Changed != 0 {
				t.Fatalf("undo: %+v, %v", u, err)
			}
			if after := rows(t, db); after != before {
				t.Errorf("not as it was:\n%s\nwas\n%s", after, before)
			}
			for _, id := range []string{r.ChangeID, campaign.Latest} {
				if u, err := m.Undo(t.Context(), campaign.UndoOptions{ChangeID: id}); err != nil || u.ChangeID != "" || u.Restored != 0 {
					t.Errorf("second undo of %s: %+v, %v", id, u, err)
				}
			}
		})
	}
}

func TestUndoLeavesWhatWasChangedSince(t *testing.T) {
	t.Parallel()
	m, db := newManager(t)
	var ids []string
	for range 3 {
		ids = append(ids, db.NewCampaign(t, "PAUSED").CampaignID)
	}
	r, err := m.ResolvePaused(t.Context(), campaign.ResolveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, `UPDATE campaigns SET status = 'COMPLETED' WHERE id = $1`, ids[0])
	exec(t, db, `DELETE FROM campaigns WHERE id = $1`, ids[1])
	u, err := m.Undo(t.Context(), campaign.UndoOptions{ChangeID: r.ChangeID})
	if err != nil || u.Restored != 1 || u.Changed != 2 {
		t.Fatalf("%+v, %v", u, err)
	}
	for _, c := range u.Campaigns {
		if c.Restored != (c.ID == ids[2]) || (c.Why == "") != c.Restored {
			t.Errorf("%+v", c)
		}
	}
	if err := db.Expect(`SELECT status = 'COMPLETED' FROM campaigns WHERE id = $1`, ids[0]); err != nil {
		t.Error(err)
	}
}

func TestWithoutThePausedValue(t *testing.T) {
	t.Parallel()
	m, db := newManager(t)
	db.NewCampaign(t, "PAUSED")
	r, err := m.ResolvePaused(t.Context(), campaign.ResolveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	install(t, db, schema.Latest)
	if paused, err := m.CheckPaused(t.Context()); err != nil || len(paused) != 0 {
		t.Errorf("%v, %v", paused, err)
	}
	if r, err := m.ResolvePaused(t.Context(), campaign.ResolveOptions{}); err != nil || len(r.Campaigns) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	o, err := m.Status(t.Context())
	if err != nil || o.EnumHas || o.Total != 1 || o.Counts[campaign.Running] != 1 || o.Gate == campaign.GateMissing {
		t.Errorf("%+v, %v", o, err)
	}
	before := rows(t, db)
	if _, err := m.Undo(t.Context(), campaign.UndoOptions{ChangeID: r.ChangeID}); !errors.Is(err, campaign.ErrPausedGone) || rows(t, db) != before {
		t.Errorf("undo without the value: %v", err)
	}
}

func TestGateKeepsUndoOut(t *testing.T) {
	t.Parallel()
	m, db := newManager(t)
	if o, err := m.Status(t.Context()); err != nil || o.Gate != campaign.GateMissing || !o.EnumHas {
		t.Errorf("%+v, %v", o, err)
	}
	db.NewCampaign(t, "PAUSED")
	install(t, db, "campaign_gate")
	if o, err := m.Status(t.Context()); err != nil || o.Gate != campaign.GateNotValidated || o.Paused != 1 {
		t.Errorf("%+v, %v", o, err)
	}
	if _, err := m.ResolvePaused(t.Context(), campaign.ResolveOptions{To: campaign.Failed}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Undo(t.Context(), campaign.UndoOptions{}); !errors.Is(err, campaign.ErrPausedGone) {
		t.Errorf("undo against the gate: %v", err)
	}
}

func TestBadInputChangesNothing(t *testing.T) {
	t.Parallel()
	m, db := newManager(t)
	db.NewCampaign(t, "PAUSED")
	before := rows(t, db)
	var target *campaign.TargetError
	for _, to := range []campaign.Status{campaign.Completed, campaign.Paused, "SLEEPING"} {
		if _, err := m.ResolvePaused(t.Context(), campaign.ResolveOptions{To: to}); !errors.As(err, &target) {
			t.Errorf("%s: %v", to, err)
		}
	}
	if _, err := m.Undo(t.Context(), campaign.UndoOptions{ChangeID: "nonsense"}); !errors.Is(err, campaign.ErrNoChange) {
		t.Errorf("undo: %v", err)
	}
	if rows(t, db) != before {
		t.Error("something was changed")
	}
}

// Of many resolvers at once each campaign is moved by one, through a pooler too.
func TestResolversAtOnceShareTheWork(t *testing.T) {
	t.Parallel()
	_, db := newManager(t)
	for range 20 {
		db.NewCampaign(t, "PAUSED")
	}
	before := rows(t, db)
	config, err := pgxpool.ParseConfig(testenv.StartPgBouncer(t, db, 2))
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	pooled, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pooled.Close)
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		moved int
	)
	for i := range 8 {
		pool := db.Pool
		if i%2 == 0 {
			pool = pooled
		}
		wg.Go(func() {
			m, err := campaign.New(pool)
			if err != nil {
				t.Error(err)
				return
			}
			r, err := m.ResolvePaused(t.Context(), campaign.ResolveOptions{Actor: "many"})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			moved += len(r.Campaigns)
		})
	}
	wg.Wait()
	if moved != 20 {
		t.Errorf("%d campaigns were moved", moved)
	}
	m, _ := campaign.New(db.Pool)
	for range 8 {
		if _, err := m.Undo(t.Context(), campaign.UndoOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if rows(t, db) != before {
		t.Error("not as it was")
	}
}

package schema_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/campaign"
	"github.com/leadgenctl/leadgenctl/campaign/enumdrop"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

// At each point of the migration other sessions make campaigns PAUSED. What a writer was
// told is done is resolved, or it stops the migration; what it was refused never happened.
func TestAPausedCampaignWrittenAtEachPointIsNeverLost(t *testing.T) {
	t.Parallel()
	for _, strategy := range []enumdrop.Strategy{enumdrop.Retire, enumdrop.Rewrite, enumdrop.Online} {
		for _, step := range stepsOf(t, strategy) {
			for _, resolve := range []campaign.Status{"", campaign.Running} {
				t.Run(string(strategy)+"/"+step+"/"+string(resolve), func(t *testing.T) {
					t.Parallel()
					db := testenv.NewDatabase(t)
					pauses := newPausers(t, db)
					m := newMigrator(t, db, schema.Settings{Strategy: strategy, Resolve: resolve, Actor: "tester@host", Step: func(name string) {
						if name == step {
							pauses.write(t)
						}
					}})
					err := m.Up(t.Context(), schema.Latest)
					pauses.judge(t, err, resolve)
				})
			}
		}
	}
}

// stepsOf are the named points that a migration passes, from the gate on.
func stepsOf(t *testing.T, strategy enumdrop.Strategy) []string {
	t.Helper()
	db := testenv.NewDatabase(t)
	db.NewCampaign(t, "COMPLETED")
	var steps []string
	m := newMigrator(t, db, schema.Settings{Strategy: strategy, Step: func(name string) {
		if !slices.Contains(steps, name) {
			steps = append(steps, name)
		}
	}})
	if err := m.Up(t.Context(), schema.Latest); err != nil {
		t.Fatal(err)
	}
	return steps[slices.Index(steps, "before:campaign_gate"):]
}

// pauser is one way in which a session writes PAUSED.
type pauser struct {
	name, campaign string
	pause          func(ctx context.Context, id string) error
	done           chan error
}

type pausers struct {
	db      *testenv.Database
	all     []*pauser
	written bool
}

func newPausers(t *testing.T, db *testenv.Database) *pausers {
	t.Helper()
	prepared, err := pgx.Connect(t.Context(), db.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = prepared.Close(context.Background()) })
	if _, err := prepared.Prepare(t.Context(), "pause", "UPDATE campaigns SET status = 'PAUSED' WHERE id = $1"); err != nil {
		t.Fatal(err)
	}
	const literal = "UPDATE campaigns SET status = 'PAUSED' WHERE id = $1"
	p := &pausers{db: db, all: []*pauser{
		{name: "one statement", pause: func(ctx context.Context, id string) error {
			_, err := db.Pool.Exec(ctx, literal, id)
			return err
		}},
		{name: "prepared before", pause: func(ctx context.Context, id string) error {
			_, err := prepared.Exec(ctx, "pause", id)
			return err
		}},
		{name: "open transaction", pause: func(ctx context.Context, id string) error {
			return pgx.BeginFunc(ctx, db.Pool, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, literal, id); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, "SELECT pg_sleep(0.4)") // the migration has to wait for it
				return err
			})
		}},
	}}
	for _, w := range p.all {
		w.campaign = db.NewCampaign(t, "COMPLETED").CampaignID
		w.done = make(chan error, 1)
	}
	return p
}

// write lets every session write once. The open transaction has written, and is not
// committed, when it returns.
func (p *pausers) write(t *testing.T) {
	if p.written {
		return
	}
	p.written = true
	for _, w := range p.all {
		if w.name != "open transaction" {
			w.done <- w.pause(t.Context(), w.campaign)
			continue
		}
		go func() { w.done <- w.pause(t.Context(), w.campaign) }()
		testenv.Eventually(t, 30*time.Second, func() error {
			if len(w.done) > 0 {
				return nil
			}
			return p.db.Expect(`SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND query = 'SELECT pg_sleep(0.4)' AND state = 'active')`)
		})
	}
}

func (p *pausers) judge(t *testing.T, err error, resolve campaign.Status) {
	t.Helper()
	var refused *schema.RefusedError
	if err != nil && !errors.As(err, &refused) {
		t.Fatalf("the migration failed, and did not refuse: %v", err)
	}
	kept := 0
	for _, w := range p.all {
		wrote := <-w.done
		var status string
		if e := p.db.Pool.QueryRow(t.Context(), "SELECT status::text FROM campaigns WHERE id = $1", w.campaign).Scan(&status); e != nil {
			t.Fatal(e)
		}
		want := "COMPLETED"
		if wrote == nil {
			want = "PAUSED"
			if err == nil && resolve != "" {
				want = string(resolve)
				if e := p.db.Expect("SELECT count(*) = 1 FROM leadgenctl.campaign_changes WHERE campaign_id = $1 AND old_status = 'PAUSED'", w.campaign); e != nil {
					t.Errorf("%s: what it was is not kept: %v", w.name, e)
				}
			}
			kept++
		}
		if status != want {
			t.Errorf("%s: the writer was told %v, and the campaign is %s; want %s (migration: %v)", w.name, wrote, status, want, err)
		}
	}
	if kept > 0 && resolve == "" && err == nil {
		t.Error("campaigns were made PAUSED, and the value was dropped")
	}
	if err != nil && kept == 0 {
		t.Errorf("refused without a reason: %v", err)
	}
}

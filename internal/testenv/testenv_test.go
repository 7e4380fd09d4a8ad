package testenv_test

import (
	"context"
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func TestNewCampaignMakesOrganizationCampaignAndJobs(t *testing.T) {
	t.Parallel()
	db := testenv.NewDatabase(t)
	f := db.NewCampaign(t, "RUNNING", testenv.Job{}, testenv.Job{Status: "PROCESSING", Type: "ENRICH_LEAD"})
	var n int
	err := db.Pool.QueryRow(context.Background(), `SELECT count(*) FROM jobs j
		JOIN campaigns c ON c.id = j.campaign_id JOIN organizations o ON o.id = c.organization_id WHERE c.id = $1`, f.CampaignID).Scan(&n)
	if err != nil || n != 2 {
		t.Fatalf("got %d jobs, %v; want 2", n, err)
	}
}

func TestRedisDatabasesAreSeparate(t *testing.T) {
	t.Parallel()
	a, b := testenv.NewRedis(t), testenv.NewRedis(t)
	ctx := context.Background()
	if err := a.Client.Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := b.Client.Exists(ctx, "k").Result(); err != nil || n != 0 {
		t.Fatalf("the key of one test shows in another: %d, %v", n, err)
	}
}

func TestOldPlatformHasTheOldState(t *testing.T) {
	t.Parallel()
	db, r := testenv.NewOldPlatform(t)
	if err := db.Expect(`SELECT (SELECT count(*) FROM campaigns WHERE status = 'PAUSED') = 2
		AND (SELECT count(DISTINCT status) FROM jobs) = 5 AND (SELECT count(*) FROM leads) = 5
		AND NOT EXISTS (SELECT FROM leads l WHERE NOT EXISTS (SELECT FROM jobs j WHERE j.id::text = l.enrichment_job_id))`); err != nil {
		t.Error(err)
	}
	ctx := context.Background()
	if n := r.Client.LLen(ctx, "celery").Val(); n != 6 {
		t.Errorf("%d messages are queued; want 6", n)
	}
	for _, pattern := range []string{"circuit_breaker:*", "circuit_failures:*", "queue_paused:*"} {
		if n := len(r.Client.Keys(ctx, pattern).Val()); n < 3 {
			t.Errorf("%d keys match %s", n, pattern)
		}
	}
}

package consistency_test

import (
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// Rows that went past a foreign key that holds are found where the job is live, and
// everywhere by the check alone.
func TestJobsBehindAForeignKeyThatHolds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.exec("INSERT INTO jobs (task_id, name, status, completed_at) VALUES ('none', 'n', 'FAILED', now())")
	h.exec(`DO $$ BEGIN SET LOCAL session_replication_role = replica;
		INSERT INTO jobs (task_id, name, status, campaign_id, completed_at) VALUES ('live', 'n', 'PROCESSING', 'c-gone', NULL), ('ended', 'n', 'FAILED', 'c-gone', now()); END $$`)
	for name, c := range map[string]struct {
		only  []string
		count int64
	}{
		"with the other checks": {count: 2},
		"alone":                 {only: []string{"LGQ003"}, count: 3},
	} {
		r := find(h.run(func(o *consistency.Options) { o.Only = c.only }), "LGQ003")
		if r.Count != c.count || !containsAll(r.Samples, "of campaign none", "of campaign c-gone") {
			t.Errorf("%s: %d found, want %d: %q %s", name, r.Count, c.count, r.Samples, r.Message)
		}
	}
	for _, weaker := range []string{"DISABLE TRIGGER ALL", "ENABLE TRIGGER ALL, DROP CONSTRAINT jobs_campaign_id_fkey",
		"ADD CONSTRAINT jobs_campaign_id_fkey FOREIGN KEY (campaign_id) REFERENCES campaigns (id) NOT VALID"} {
		h.exec("ALTER TABLE jobs " + weaker)
		if r := find(h.run(), "LGQ003"); r.Count != 3 {
			t.Errorf("%s: %d found: %q %s", weaker, r.Count, r.Samples, r.Message)
		}
	}
}

// A campaign that runs on is found beside others that have work, and one without any job is none.
func TestIdleCampaignsBesideBusyOnes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	idle := h.db.NewCampaign(t, "RUNNING", testenv.Job{Status: "COMPLETED"})
	h.exec("UPDATE jobs SET created_at = now() - interval '2 hours', updated_at = NULL, completed_at = now() - interval '1 hour' WHERE campaign_id = $1", idle.CampaignID)
	h.db.NewCampaign(t, "RUNNING")
	for range 3 {
		h.db.NewCampaign(t, "RUNNING", testenv.Job{}, testenv.Job{Status: "PAUSED"})
		h.db.NewCampaign(t, "COMPLETED", testenv.Job{})
	}
	for _, only := range [][]string{nil, {"LGC005"}} {
		r := find(h.run(func(o *consistency.Options) { o.Only = only }), "LGC005")
		if r.Count != 1 || !containsAll(r.Samples, idle.CampaignID) {
			t.Errorf("only %v: %d found: %q %s", only, r.Count, r.Samples, r.Message)
		}
	}
}

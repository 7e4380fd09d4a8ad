package consistency_test

import (
	"fmt"
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// Rows that went past a foreign key that holds are found by the check alone, and beside
// the others once anything is wrong with the campaigns of jobs.
func TestJobsBehindAForeignKeyThatHolds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	found := func(want int64, only ...string) {
		t.Helper()
		r := find(h.run(func(o *consistency.Options) { o.Only = only }), "LGQ003")
		if r.Count != want || len(r.Samples) != int(want) {
			t.Errorf("%d found, want %d: %q %s", r.Count, want, r.Samples, r.Message)
		}
	}
	past := func(task, status string) {
		h.exec(fmt.Sprintf(`DO $$ BEGIN SET LOCAL session_replication_role = replica;
			INSERT INTO jobs (task_id, name, status, campaign_id, completed_at) VALUES ('%s', 'n', '%s', 'c-gone', now()); END $$`, task, status))
	}
	past("ended", "FAILED")
	found(0)
	found(1, "LGQ003")
	past("live", "PROCESSING")
	found(2)
	h.exec("UPDATE jobs SET status = 'FAILED' WHERE task_id = 'live'")
	found(0)
	h.exec("INSERT INTO jobs (task_id, name, status, completed_at) VALUES ('none', 'n', 'FAILED', now())")
	found(3)
	found(3, "LGQ003")
	h.exec("DELETE FROM jobs WHERE task_id = 'none'")
	found(0)
	for _, weaker := range []string{"DISABLE TRIGGER ALL", "ENABLE TRIGGER ALL, DROP CONSTRAINT jobs_campaign_id_fkey",
		"ADD CONSTRAINT jobs_campaign_id_fkey FOREIGN KEY (campaign_id) REFERENCES campaigns (id) NOT VALID"} {
		h.exec("ALTER TABLE jobs " + weaker)
		if r := find(h.run(), "LGQ003"); r.Count != 2 {
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

// An ended campaign is ended whatever else is wrong with it.
func TestActiveJobsOfAnEndedCampaignWithoutOrganization(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ended := h.db.NewCampaign(t, "COMPLETED", testenv.Job{Status: "PROCESSING"}, testenv.Job{Status: "CANCELLED"})
	h.exec(fmt.Sprintf(`DO $$ BEGIN SET LOCAL session_replication_role = replica;
		UPDATE campaigns SET organization_id = 'o-gone' WHERE id = '%s'; END $$`, ended.CampaignID))
	r := h.run()
	for _, id := range []string{"LGC003", "LGC006"} {
		if found := find(r, id); found.Count != 1 || !containsAll(found.Samples, ended.CampaignID) {
			t.Errorf("%s: %d found: %q %s", id, found.Count, found.Samples, found.Message)
		}
	}
}

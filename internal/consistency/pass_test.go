package consistency_test

import (
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

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

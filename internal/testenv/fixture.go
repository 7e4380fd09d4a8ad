package testenv

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
)

// Fixture is an organization with one campaign and its jobs: every campaign
// needs an organization, so tests make all three in one call.
type Fixture struct {
	OrganizationID string
	CampaignID     string
	JobIDs         []int64
}

// Job is a job to be made by NewCampaign. Empty fields take the platform's defaults.
type Job struct {
	Type   string // FETCH_LEADS by default
	Status string // PENDING by default
	TaskID string // a fresh UUID by default
	Error  string // NULL by default
}

// NewCampaign makes an organization, a campaign of the given status, and jobs.
func (db *Database) NewCampaign(t testing.TB, status string, jobs ...Job) Fixture {
	t.Helper()
	ctx := context.Background()
	f := Fixture{OrganizationID: uuid.NewString(), CampaignID: uuid.NewString()}
	_, err := db.Pool.Exec(ctx, `INSERT INTO organizations (id, name) VALUES ($1, 'Test organization')`, f.OrganizationID)
	must(t, err)
	_, err = db.Pool.Exec(ctx, `INSERT INTO campaigns (id, name, status, organization_id, "fileName", "totalRecords", url)
		VALUES ($1, 'Test campaign', $2::text::campaignstatus, $3, 'leads.csv', 100, 'https://example.org/search')`,
		f.CampaignID, status, f.OrganizationID)
	must(t, err)
	for i, j := range jobs {
		f.JobIDs = append(f.JobIDs, db.newJob(t, f.CampaignID, i, j))
	}
	return f
}

func (db *Database) newJob(t testing.TB, campaignID string, i int, j Job) int64 {
	t.Helper()
	if j.Type == "" {
		j.Type = "FETCH_LEADS"
	}
	if j.Status == "" {
		j.Status = "PENDING"
	}
	if j.TaskID == "" {
		j.TaskID = uuid.NewString()
	}
	var id int64
	err := db.Pool.QueryRow(context.Background(), `INSERT INTO jobs (task_id, name, status, error, campaign_id, job_type)
		VALUES ($1, $2, $3::text::jobstatus, NULLIF($4, ''), $5, $6::text::jobtype) RETURNING id`,
		j.TaskID, fmt.Sprintf("job %d", i), j.Status, j.Error, campaignID, j.Type).Scan(&id)
	must(t, err)
	return id
}

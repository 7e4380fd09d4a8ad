package consistency

import (
	"context"

	"github.com/leadgenctl/leadgenctl/campaign"
)

// campaigns is what every check of campaigns reads.
const campaigns = "campaigns c LEFT JOIN organizations o ON o.id = c.organization_id"

const campaignSample = `format('campaign %s "%s" (%s) of organization %s, since %s', c.id, c.name, c.status, c.organization_id, to_char(c.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))`

func campaignChecks() []*Check {
	return []*Check{
		{
			ID: "LGC001", Family: Campaign, Severity: Error, Title: "Campaigns are PAUSED",
			Meaning: "Campaigns no longer pause, and the app's new code has no such status: it fails as soon as it reads one of these rows.",
			Remedy:  "Run `leadgenctl campaign check-paused` to see them, then `leadgenctl campaign resolve-paused --to RUNNING` (`--undo` brings them back exactly).",
			// The labels are looked up once: to make a text of each status takes longer.
			table: &rowSet{from: campaigns, key: "c.id", sample: campaignSample,
				where: "c.status IN (SELECT s FROM unnest(enum_range(NULL::campaignstatus)) AS s WHERE s::text IN ('PAUSED', 'PAUSED__retired'))"},
		},
		{
			ID: "LGC002", Family: Campaign, Severity: Warning, Title: "The enumeration campaignstatus still has PAUSED",
			Meaning: "Any old program can write PAUSED again, and the new code fails on it.",
			Remedy:  "When no old worker runs any more: `leadgenctl migrate plan`, then `leadgenctl migrate up`. It installs the gate and retires the value without blocking writers.",
			needs:   postgres, inspect: enumHasPaused, Reads: enumHasPausedSQL,
		},
		{
			ID: "LGC003", Family: Campaign, Severity: Error, Title: "Campaigns have no valid organization",
			Meaning: "organization_id names no organization. The app cannot show or run these campaigns.",
			Remedy:  "Look at the campaigns named here. Restore the organization from a backup, or give them another: `UPDATE campaigns SET organization_id = '…' WHERE id IN (…)`.",
			table:   &rowSet{from: campaigns, where: "o.id IS NULL", key: "c.id", sample: campaignSample},
		},
		{
			ID: "LGC004", Family: Campaign, Severity: Warning, Title: "Nothing keeps campaigns from becoming PAUSED",
			Meaning: "The value is in the enumeration, if under its retired name, and the gate (a check constraint) is missing, was not validated, or tests something else: an old program can write PAUSED at any moment.",
			Remedy:  "When no old worker runs any more: `leadgenctl migrate plan`, then `leadgenctl migrate up --to campaign_gate_valid`. Where that was done and somebody has since changed the gate, `leadgenctl migrate repair` puts it back.",
			needs:   postgres, inspect: gateMissing, Reads: campaign.GateFaultSQL,
		},
		{
			ID: "LGC005", Family: Campaign, Severity: Warning, Title: "Campaigns run on although every job has ended",
			Meaning: "The campaign is RUNNING, all its jobs ended more than 10 minutes ago, and nothing will end it.",
			Remedy:  "Look at its jobs. If they are all right: `UPDATE campaigns SET status = 'COMPLETED', completed_at = now() WHERE id IN (…)`; if they failed, FAILED with failed_at.",
			// OFFSET 0: first the few campaigns without a live job, then whether they have any.
			twice: true, table: &rowSet{judge: idleCampaigns, key: "c.id", sample: `format('campaign %s "%s" (%s), every job ended', c.id, c.name, c.status)`,
				where: "EXISTS (SELECT FROM jobs j WHERE j.campaign_id = c.id)",
				from: `(SELECT c.* FROM campaigns c WHERE c.status = 'RUNNING' AND NOT EXISTS (SELECT FROM jobs j WHERE j.campaign_id = c.id
	AND (` + liveJobs + ` OR coalesce(j.completed_at, j.updated_at, j.created_at) >= now() - interval '10 minutes')) OFFSET 0) c`},
		},
		{
			ID: "LGC006", Family: Campaign, Severity: Warning, Title: "Ended campaigns have active jobs",
			Meaning: "The campaign is COMPLETED or FAILED, and these jobs of it (clean-ups aside) are pending, processing or paused: they will work for nothing, or change what is final.",
			Remedy:  "Cancel them if nobody needs their result: `UPDATE jobs SET status = 'CANCELLED', error = 'campaign ended', completed_at = now() WHERE campaign_id = '…' AND status IN ('PENDING', 'PAUSED')`.",
			twice:   true, table: &rowSet{from: jobsOfCampaigns, judge: adrift, key: "j.id", sample: `format('job %s (%s, %s) of campaign %s (%s)', j.id, j.job_type, j.status, c.id, c.status)`,
				where: "c.status IN ('COMPLETED', 'FAILED') AND " + liveJobs + " AND j.job_type::text <> 'CLEANUP_CAMPAIGN'"},
		},
		{
			ID: "LGC007", Family: Campaign, Severity: Warning, Title: "Leads name an enrichment job that does not exist",
			Meaning: "enrichment_job_id is no job's id, and the lead has no enrichment_results: it waits for an enrichment that nobody does, and a resume cannot find its lead. A lead that has results lost its job to the app's clean-up, and is no finding.",
			Remedy:  "Empty it where the lead is still to be enriched, so that the app does that: `UPDATE leads SET enrichment_job_id = NULL WHERE id IN (…) AND enrichment_results IS NULL`.",
			// The results are looked at last: to read them costs more than all the rest.
			table: &rowSet{from: "leads l LEFT JOIN jobs j ON j.id = CASE WHEN l.enrichment_job_id ~ '^[0-9]{1,18}$' THEN l.enrichment_job_id::bigint END",
				where: "l.enrichment_job_id IS NOT NULL AND CASE WHEN j.id IS NULL THEN coalesce(l.enrichment_results::text, 'null') = 'null' ELSE false END",
				key:   "l.id", sample: "format('lead %s of campaign %s: job %s', l.id, l.campaign_id, l.enrichment_job_id)"},
		},
	}
}

func gateMissing(ctx context.Context, l *look, _ *Check) (outcome, error) {
	var fault string
	if err := l.row(ctx, campaign.GateFaultSQL, nil, &fault); err != nil || fault == "" {
		return outcome{}, err
	}
	return one("the constraint leadgenctl_campaign_not_paused " + fault), nil
}

const enumHasPausedSQL = `SELECT format('type %s, label %s', enumtypid::regtype, enumlabel) FROM pg_enum
WHERE enumtypid = to_regtype('campaignstatus') AND enumlabel = 'PAUSED'`

func enumHasPaused(ctx context.Context, l *look, _ *Check) (outcome, error) {
	found, err := l.texts(ctx, enumHasPausedSQL)
	return many(l, found), err
}

package consistency

import "fmt"

// liveJobs are the jobs that have not ended. To compare one by one is quicker than IN.
const liveJobs = "(j.status = 'PENDING' OR j.status = 'PROCESSING' OR j.status = 'PAUSED')"

// liveSets reads the jobs that have not ended, in the pass over the jobs, and looks their
// campaigns up here: to join 100,000 campaigns to them takes the server a third of the pass.
type liveSets struct {
	l         *look
	campaigns *liveCampaigns // nil where they cannot be read

	all  idSet
	late idSet // PENDING for a while, or PROCESSING for longer than a task may take
	// adrift says that a job has no campaign, or that a live one's has ended or is none:
	// then, and only then, something can be wrong with jobs and their campaigns.
	adrift bool
}

// Of a job's number: the lowest bits; the rest is its id.
const (
	jobIsLive = 1 << iota
	jobIsLate
	jobIsAdrift
	jobBits = iota
)

// lateJobs is jobIsLate. The server works out a moment once where it stands in a SELECT.
const lateJobs = `CASE WHEN j.status = 'PENDING' THEN j.task_id IS NOT NULL AND coalesce(j.updated_at, j.created_at, '-infinity') < (SELECT now() - interval '1 minute')
	WHEN j.status = 'PROCESSING' THEN coalesce(j.updated_at, j.created_at, '-infinity') < (SELECT now() - interval %s) ELSE false END`

func (s *liveSets) columns(o *Options) (number, hash, where string) {
	number = fmt.Sprintf("(j.id::bigint << %d) | CASE WHEN %s THEN %d ELSE 0 END | CASE WHEN "+lateJobs+" THEN %d ELSE 0 END | CASE WHEN j.campaign_id IS NULL THEN %d ELSE 0 END",
		jobBits, liveJobs, jobIsLive, seconds(o.TaskTimeLimit), jobIsLate, jobIsAdrift)
	return number, "CASE WHEN j.job_type::text <> 'CLEANUP_CAMPAIGN' AND " + liveJobs + " THEN hashtextextended(j.campaign_id, 0) END", liveJobs + " OR j.campaign_id IS NULL"
}

func (s *liveSets) start() {
	campaigns, err := s.l.liveCampaigns()
	if err != nil {
		campaigns = nil // the checks that read them say why
	}
	*s = liveSets{l: s.l, campaigns: campaigns, adrift: campaigns == nil}
}

func (s *liveSets) row(number int64, campaign *int64) {
	if number&jobIsLive != 0 {
		s.all.add(number >> jobBits)
	}
	if number&jobIsLate != 0 {
		s.late.add(number >> jobBits)
	}
	if number&jobIsAdrift != 0 || campaign != nil && s.campaigns != nil && !s.campaigns.meet(*campaign) {
		s.adrift = true
	}
}

// liveJobs returns the jobs that have not ended.
func (l *look) liveJobs() (*liveSets, error) {
	p := l.passes[jobs]
	p.once.Do(p.run)
	return p.reader.(*liveSets), p.readErr
}

// liveCampaigns reads the campaigns that have not ended, in the pass over the campaigns,
// each as the hash of its id.
type liveCampaigns struct {
	known         map[int64]uint8
	running, busy int // RUNNING campaigns; those of them that a live job was met of
}

// Of a campaign.
const (
	campaignIsRunning = 1 << iota
	campaignIsMet
)

func (s *liveCampaigns) columns(*Options) (number, hash, where string) {
	const live = "NOT (c.status = 'COMPLETED' OR c.status = 'FAILED')"
	return "CASE WHEN c.status = 'RUNNING' THEN 1 ELSE 0 END::bigint", "CASE WHEN " + live + " THEN hashtextextended(c.id, 0) END", live
}

func (s *liveCampaigns) start() { *s = liveCampaigns{known: make(map[int64]uint8)} }

func (s *liveCampaigns) row(number int64, hash *int64) {
	if hash == nil { // a check wants the row
		return
	}
	s.known[*hash] |= uint8(number) & campaignIsRunning
	s.running += int(number & campaignIsRunning)
}

// meet says whether a live job's campaign has not ended. Of two whose hashes are the same
// only one is ever busy.
func (s *liveCampaigns) meet(hash int64) bool {
	is, ok := s.known[hash]
	if is == campaignIsRunning {
		s.busy++
		s.known[hash] |= campaignIsMet
	}
	return ok
}

// liveCampaigns returns the campaigns that have not ended.
func (l *look) liveCampaigns() (*liveCampaigns, error) {
	p := l.passes[campaigns]
	p.once.Do(p.run)
	return p.reader.(*liveCampaigns), p.readErr
}

// adrift says whether there may be a job without a valid campaign, or a live one of a
// campaign that has ended.
func adrift(l *look) (bool, error) {
	s := l.liveSets()
	return s == nil || s.adrift, nil
}

// withoutCampaign says whether there may be a job without a valid campaign. To look those
// of all ended jobs up takes longer than the rest of the pass: it is left to a foreign key that holds.
func withoutCampaign(l *look) (bool, error) {
	if s := l.liveSets(); s == nil || s.adrift {
		return true, nil
	}
	holds := false
	err := l.row(l.ctx, campaignKeySQL, nil, &holds)
	return !holds, err
}

// idleCampaigns says whether there may be a RUNNING campaign without a live job: there is
// none where the pass over the jobs has met as many as there are.
func idleCampaigns(l *look) (bool, error) {
	s := l.liveSets()
	return s == nil || s.campaigns == nil || s.campaigns.busy < s.campaigns.running, nil
}

// liveSets are the live jobs where they are read anyway; nil where they are not, or cannot be.
func (l *look) liveSets() *liveSets {
	if l.passes[jobs] == nil || l.passes[jobs].reader == nil {
		return nil
	}
	s, err := l.liveJobs()
	if err != nil {
		return nil
	}
	return s
}

// campaignKeySQL looks for a foreign key that was validated and none of whose triggers is off.
const campaignKeySQL = `SELECT EXISTS (SELECT FROM pg_constraint k
	JOIN pg_attribute a ON a.attrelid = k.conrelid AND ARRAY[a.attnum] = k.conkey AND a.attname = 'campaign_id'
	JOIN pg_attribute b ON b.attrelid = k.confrelid AND ARRAY[b.attnum] = k.confkey AND b.attname = 'id'
	WHERE k.contype = 'f' AND k.convalidated AND k.conrelid = to_regclass('jobs') AND k.confrelid = to_regclass('campaigns')
	AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgconstraint = k.oid AND t.tgenabled NOT IN ('O', 'A')))`

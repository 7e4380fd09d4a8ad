package consistency_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
	"github.com/leadgenctl/leadgenctl/migrate/schema"
	"github.com/leadgenctl/leadgenctl/queue"
)

// fault is one thing that goes wrong on the platform.
type fault struct {
	id    string
	name  string
	make  func(h *house)
	with  func(o *consistency.Options) // for the run that must find it
	count int64
	says  []string // in the samples
	also  []string // further checks that must find something too
	skips []string // checks that cannot judge then, and say so
}

// Every check finds its fault, says which row it is, and is silent before. Nothing
// else is found, but what the fault brings with it.
func TestEveryCheckFindsItsFault(t *testing.T) {
	t.Parallel()
	covered := map[string]bool{}
	for _, f := range faults {
		covered[f.id] = true
		t.Run(f.id+" "+f.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.healthy("before the fault")
			f.make(h)
			if f.with == nil {
				f.with = func(*consistency.Options) {}
			}
			r := h.run(f.with)
			got := find(r, f.id)
			want := consistency.Fail
			if got.Severity == consistency.Info {
				want = consistency.Pass
			}
			if got.Status != want || got.Count != f.count || !containsAll(got.Samples, f.says...) {
				t.Errorf("%s: %s, %d found (want %d), samples %q (want %q), %s", f.id, got.Status, got.Count, f.count, got.Samples, f.says, got.Message)
			}
			expected := map[string]bool{f.id: true}
			for _, id := range f.also {
				expected[id] = true
				if st := find(r, id).Status; st != consistency.Fail && st != consistency.Errored {
					t.Errorf("%s does not find it: %+v", id, find(r, id))
				}
			}
			for _, id := range f.skips {
				if got := find(r, id); got.Status != consistency.Skip || !strings.Contains(got.Message, f.id) {
					t.Errorf("%s is not skipped: %s, %s", id, got.Status, got.Message)
				}
			}
			for _, c := range r.Checks {
				if !expected[c.ID] && (c.Status == consistency.Fail || c.Status == consistency.Errored) {
					t.Errorf("%s, too: %s %d %q %s", c.ID, c.Status, c.Count, c.Samples, c.Message)
				}
			}
		})
	}
	for _, c := range consistency.Catalogue() {
		if !covered[c.ID] {
			t.Errorf("%s has no fault in this test", c.ID)
		}
	}
}

// ofTheBreaker are the checks that want a breaker that can be read.
var ofTheBreaker = []string{"LGB001", "LGB005", "LGB006", "LGB007", "LGB008", "LGB009", "LGQ001", "LGQ002"}

var faults = []fault{
	{id: "LGB001", name: "the key is deleted", count: 1, says: []string{"circuit_breaker:global"},
		make: func(h *house) { h.must(h.redis.Client.Del(context.Background(), breaker.DefaultKey).Err()) }},
	{id: "LGB002", name: "rubbish", count: 1, says: []string{"circuit_breaker:global", "not JSON"}, skips: ofTheBreaker,
		make: func(h *house) { h.set(breaker.DefaultKey, "open", 0) }},
	{id: "LGB002", name: "rubbish that will expire", count: 1, says: []string{"not JSON"}, also: []string{"LGB003"}, skips: ofTheBreaker,
		make: func(h *house) { h.set(breaker.DefaultKey, "nonsense", 100*time.Second) }},
	{id: "LGB002", name: "a hash", count: 1, says: []string{"wrong Redis type"}, skips: ofTheBreaker,
		make: func(h *house) {
			h.must(h.redis.Client.Del(context.Background(), breaker.DefaultKey).Err())
			h.must(h.redis.Client.HSet(context.Background(), breaker.DefaultKey, "state", "open").Err())
		}},
	{id: "LGB003", name: "a day to live", count: 1, says: []string{"closed", "expires in 24h0m0s"},
		make: func(h *house) {
			h.must(h.redis.Client.Expire(context.Background(), breaker.DefaultKey, 24*time.Hour).Err())
		}},
	{id: "LGB004", name: "a closed circuit and its failures", count: 2, says: []string{"circuit_breaker:apollo: closed, expires in 10m0s", "circuit_failures:apollo"},
		make: func(h *house) {
			h.set("circuit_breaker:apollo", `{"state": "closed", "opened_at": null, "metadata": {}}`, 10*time.Minute)
			h.set("circuit_breaker:apollo:notes", "no breaker", 0)
			h.must(h.redis.Client.ZAdd(context.Background(), "circuit_failures:apollo", zMember()).Err())
		}},
	{id: "LGB004", name: "a service that nobody configured", count: 1, says: []string{"circuit_breaker:hubspot: closed"},
		make: func(h *house) {
			h.set("circuit_breaker:hubspot", `{"state": "closed", "opened_at": null, "metadata": {}}`, 10*time.Minute)
		}},
	{id: "LGB005", name: "of a service that nobody configured", count: 1, says: []string{"circuit_breaker:hubspot: open"}, also: []string{"LGB004"},
		make: func(h *house) {
			h.set("circuit_breaker:hubspot", `{"state": "open", "opened_at": "2026-01-05T10:20:41.870963", "metadata": {}}`, time.Minute)
		}},
	{id: "LGB005", name: "open, paused and malformed", count: 3, says: []string{"circuit_breaker:apollo: half_open", "queue_paused:openai: paused", "circuit_breaker:openai: malformed"}, also: []string{"LGB004"},
		make: func(h *house) {
			h.set("circuit_breaker:apollo", `{"state": "half_open", "opened_at": null, "metadata": {}}`, time.Minute)
			h.set("queue_paused:openai", `{"paused_at": "2026-01-05T10:20:41.871164", "service": "openai", "reason": "circuit_breaker_open"}`, time.Minute)
			h.set("circuit_breaker:openai", "?", time.Minute)
		}},
	{id: "LGQ001", name: "a job is made while the breaker is open", count: 2, says: []string{"PENDING", "PROCESSING", "of campaign"},
		make: func(h *house) {
			h.open()
			h.db.NewCampaign(h.t, "RUNNING", testenv.Job{}, testenv.Job{Status: "PROCESSING"})
		}},
	{id: "LGQ002", name: "a job stays paused", count: 1, says: []string{"PAUSED"},
		make: func(h *house) { h.db.NewCampaign(h.t, "RUNNING", testenv.Job{}, testenv.Job{Status: "PAUSED"}) }},
	{id: "LGQ003", name: "no campaign, and one that is gone", count: 2, says: []string{"of campaign none", "of campaign c-gone"},
		make: func(h *house) {
			h.exec("ALTER TABLE jobs DROP CONSTRAINT jobs_campaign_id_fkey")
			h.exec("INSERT INTO jobs (task_id, name, status, campaign_id, completed_at) VALUES ('a', 'a', 'FAILED', NULL, now()), ('b', 'b', 'FAILED', 'c-gone', now())")
		}},
	{id: "LGC001", name: "two paused campaigns", count: 2, says: []string{"Test campaign", "PAUSED"}, also: []string{"LGC002", "LGC004", "LGS002"},
		make: func(h *house) {
			h.oldEnum()
			h.db.NewCampaign(h.t, "PAUSED")
			h.db.NewCampaign(h.t, "PAUSED")
		}},
	{id: "LGC002", name: "the value is back", count: 1, says: []string{"type campaignstatus, label PAUSED"}, also: []string{"LGC004", "LGS002"},
		make: func(h *house) { h.oldEnum() }},
	{id: "LGC003", name: "the organization is gone", count: 1, says: []string{"Test campaign"},
		make: func(h *house) {
			h.exec("ALTER TABLE campaigns DROP CONSTRAINT campaigns_organization_id_fkey")
			h.exec("DELETE FROM organizations WHERE id = $1", h.fixture.OrganizationID)
		}},
	{id: "LGS001", name: "the label", count: 1, says: []string{"label paused"},
		make: func(h *house) { h.exec("ALTER TYPE jobstatus ADD VALUE 'paused'") }},
	{id: "LGS001", name: "a row that holds it", count: 2, says: []string{"job ", "label paused"},
		make: func(h *house) {
			h.exec("ALTER TYPE jobstatus ADD VALUE 'paused'")
			h.exec("ALTER TABLE jobs DROP CONSTRAINT leadgenctl_status_spelling")
			h.db.NewCampaign(h.t, "RUNNING", testenv.Job{}, testenv.Job{Status: "paused"})
		}},
	{id: "LGB006", name: "Redis is emptied while open", count: 1, says: []string{"PostgreSQL knows epoch 3 (open"}, also: []string{"LGB001", "LGQ002"},
		make: func(h *house) {
			h.open()
			h.must(h.redis.Client.FlushDB(context.Background()).Err())
		}},
	{id: "LGB006", name: "the key is gone while open", count: 1, says: []string{"the key is gone"}, also: []string{"LGB001"},
		make: func(h *house) {
			h.open()
			h.must(h.redis.Client.Del(context.Background(), breaker.DefaultKey).Err())
		}},
	{id: "LGB007", name: "open for long", count: 1, says: []string{"Apollo 502", "tester@host"},
		make: func(h *house) { h.open() }, with: func(o *consistency.Options) { o.MaxOpen = time.Nanosecond }},
	{id: "LGB008", name: "opened in Redis alone", count: 1, says: []string{"Redis knows epoch 3 (open", "PostgreSQL knows epoch 2 (closed)"}, also: []string{"LGQ001"},
		make: func(h *house) {
			_, err := h.breaker.Open(context.Background(), breaker.OpenOptions{Reason: "r"})
			h.must(err)
		}},
	{id: "LGB008", name: "recorded and not applied", count: 1, says: []string{"epoch 2", "have not followed"},
		make: func(h *house) { h.exec("UPDATE leadgenctl.breaker_transitions SET applied_at = NULL WHERE epoch = 2") }},
	{id: "LGB009", name: "Python opens", count: 1, says: []string{"open since 2026-01-05", "Apollo 502 Bad Gateway"}, also: []string{"LGB003", "LGB007", "LGQ001"},
		make: func(h *house) {
			h.set(breaker.DefaultKey, `{"state": "open", "opened_at": "2026-01-05T10:20:41.870963", "closed_at": null, "metadata": {"last_error": "Apollo 502 Bad Gateway", "error_type": "http_5xx", "failed_at": "2026-01-05T10:20:41.870963"}}`, 24*time.Hour)
		}},
	{id: "LGB010", name: "allkeys-lru", count: 1, says: []string{"allkeys-lru"},
		make: func(h *house) {
			h.must(h.redis.Client.ConfigSet(context.Background(), "maxmemory-policy", "allkeys-lru").Err())
		}},
	{id: "LGB011", name: "no persistence", count: 1, says: []string{"save is empty"},
		make: func(h *house) {
			h.must(h.redis.Client.ConfigSet(context.Background(), "save", "").Err())
			h.must(h.redis.Client.ConfigSet(context.Background(), "appendonly", "no").Err())
		}},
	{id: "LGB012", name: "stricter than any clock", count: 3, says: []string{"Redis and PostgreSQL"},
		make: func(h *house) {}, with: func(o *consistency.Options) { o.MaxClock = time.Nanosecond }},
	{id: "LGQ004", name: "a worker's habit", count: 1, says: []string{"PAUSED"},
		make: func(h *house) {
			h.open()
			h.exec("UPDATE jobs SET completed_at = now() WHERE id = $1", h.fixture.JobIDs[0])
		}},
	{id: "LGQ005", name: "no task id", count: 1, says: []string{"PENDING"},
		make: func(h *house) {
			h.exec("UPDATE jobs SET task_id = NULL, created_at = now() - interval '1 hour', updated_at = NULL WHERE id = $1", h.fixture.JobIDs[0])
		}},
	{id: "LGQ005", name: "no task id, of no time", count: 1, says: []string{"PENDING"},
		make: func(h *house) {
			h.exec("UPDATE jobs SET task_id = NULL, created_at = NULL, updated_at = NULL WHERE id = $1", h.fixture.JobIDs[0])
		}},
	{id: "LGQ012", name: "ended at no time", count: 2, says: []string{"COMPLETED", "FAILED"},
		make: func(h *house) {
			h.db.NewCampaign(h.t, "COMPLETED", testenv.Job{Status: "COMPLETED"}, testenv.Job{Status: "FAILED"})
		}},
	{id: "LGQ013", name: "a batch waits", count: 1, says: []string{"1 jobs", "broker is away"},
		make: func(h *house) {
			h.exec(`INSERT INTO leadgenctl.outbox (epoch, job_ids, task_ids, old_task_ids, created_at, last_error)
				VALUES (2, '{1}', ARRAY[gen_random_uuid()], '{a}', now() - interval '1 hour', 'broker is away')`)
		}},
	{id: "LGQ014", name: "one failure today, one last week", count: 1, says: []string{"job 7 after 5 attempts: queue is full"},
		make: func(h *house) {
			h.exec(`INSERT INTO leadgenctl.dispatch_failures (job_id, attempts, error, at) VALUES (7, 5, 'queue is full', now()), (8, 5, 'old', now() - interval '7 days')`)
		}},
	{id: "LGQ015", name: "gone", count: 1, says: []string{"is missing"},
		make: func(h *house) { h.exec("DROP TRIGGER leadgenctl_job_guard ON jobs") }},
	{id: "LGQ015", name: "disabled", count: 1, says: []string{"is disabled"},
		make: func(h *house) { h.exec("ALTER TABLE jobs DISABLE TRIGGER leadgenctl_job_guard") }},
	{id: "LGQ015", name: "for replicas", count: 1, says: []string{"replicated changes only"},
		make: func(h *house) { h.exec("ALTER TABLE jobs ENABLE REPLICA TRIGGER leadgenctl_job_guard") }},
	{id: "LGQ015", name: "of another version", count: 1, says: []string{"other transitions"},
		make: func(h *house) { h.guard("AFTER UPDATE OF status", "false", "leadgenctl.guard_job") }},
	{id: "LGQ015", name: "at another moment", count: 1, says: []string{"does not fire after each update"},
		make: func(h *house) { h.guard("AFTER INSERT", "true", "leadgenctl.guard_job") }},
	{id: "LGQ015", name: "with another function", count: 1, says: []string{"calls another function"},
		make: func(h *house) {
			h.guard("BEFORE UPDATE", "OLD.* IS DISTINCT FROM NEW.*", "suppress_redundant_updates_trigger")
		}},
	{id: "LGQ015", name: "without a mode", count: 1, says: []string{"job_guard is empty"},
		make: func(h *house) { h.exec("DELETE FROM leadgenctl.job_guard") }},
	{id: "LGQ016", name: "a completed job works again", count: 1, says: []string{"COMPLETED to PROCESSING"},
		make: func(h *house) { h.exec("UPDATE jobs SET status = 'PROCESSING' WHERE status = 'COMPLETED'") }},
	{id: "LGC004", name: "dropped", count: 1, says: []string{"is missing"}, also: []string{"LGC002", "LGS002"},
		make: func(h *house) {
			h.oldEnum()
		}},
	{id: "LGC004", name: "not validated", count: 1, says: []string{"not validated"}, also: []string{"LGC002", "LGS002"},
		make: func(h *house) {
			h.oldEnum()
			s, err := schema.New(h.db.Pool, schema.Settings{})
			h.must(err)
			h.must(s.Up(context.Background(), "campaign_gate"))
		}},
	{id: "LGC004", name: "beside the retired value", count: 1, says: []string{"is missing"},
		make: func(h *house) { h.exec("ALTER TABLE campaigns DROP CONSTRAINT leadgenctl_campaign_not_paused") }},
	{id: "LGC004", name: "of the name alone", count: 1, says: []string{"tests something else"},
		make: func(h *house) {
			h.exec("ALTER TABLE campaigns DROP CONSTRAINT leadgenctl_campaign_not_paused")
			h.exec("ALTER TABLE campaigns ADD CONSTRAINT leadgenctl_campaign_not_paused CHECK (true)")
		}},
	{id: "LGC005", name: "nobody ended it", count: 1, says: []string{"RUNNING", "every job ended"},
		make: func(h *house) {
			h.exec("UPDATE jobs SET status = 'COMPLETED', created_at = now() - interval '2 hours', updated_at = now() - interval '1 hour', completed_at = now() - interval '1 hour'")
		}},
	{id: "LGC006", name: "ended too early", count: 2, says: []string{"PENDING", "PROCESSING", "(COMPLETED)"},
		make: func(h *house) { h.exec("UPDATE campaigns SET status = 'COMPLETED'") }},
	{id: "LGC006", name: "failed, and work goes on", count: 2, says: []string{"PENDING", "PROCESSING", "(FAILED)"},
		make: func(h *house) { h.exec("UPDATE campaigns SET status = 'FAILED'") }},
	{id: "LGC007", name: "no such job, no number", count: 2, says: []string{"lead l1", "job 999999", "job nonsense"},
		make: func(h *house) {
			h.exec(`INSERT INTO leads (id, campaign_id, enrichment_job_id) VALUES ('l0', $1, NULL), ('l1', $1, '999999'), ('l2', $1, 'nonsense'), ('l3', $1, $2)`,
				h.fixture.CampaignID, strconv.FormatInt(h.fixture.JobIDs[0], 10))
		}},
	{id: "LGC007", name: "a job beyond nine digits is gone, one that is there, and work that is done", count: 2, says: []string{"lead l0", "lead l3"},
		make: func(h *house) {
			h.exec("INSERT INTO jobs (id, name, status, campaign_id, completed_at) VALUES (2147483647, 'n', 'COMPLETED', $1, now())", h.fixture.CampaignID)
			h.exec(`INSERT INTO leads (id, campaign_id, enrichment_job_id, enrichment_results) VALUES ('l0', $1, '2147483646', NULL), ('l1', $1, '2147483647', NULL),
				('l2', $1, '2147483645', '{"enriched": true}'), ('l3', $1, '99999999999', 'null')`, h.fixture.CampaignID)
		}},
	{id: "LGS002", name: "our tables only", count: 3, says: []string{"campaign_gate"}, also: []string{"LGC002", "LGC004"},
		make: func(h *house) { h.oldEnum() }},
	{id: "LGS003", name: "dirty", count: 1, says: []string{"is dirty"},
		make: func(h *house) { h.exec("UPDATE leadgenctl.schema_migrations SET dirty = true") }},
	{id: "LGS003", name: "from the future", count: 1, says: []string{"version 9999 is unknown"},
		make: func(h *house) { h.exec("UPDATE leadgenctl.schema_migrations SET version = 9999") }},
	{id: "LGS004", name: "another head", count: 1, says: []string{"deadbeef0000"},
		make: func(h *house) { h.exec("UPDATE alembic_version SET version_num = 'deadbeef0000'") }},
	{id: "LGS004", name: "a second head", count: 1, says: []string{"02bc375f16d5, deadbeef0000"},
		make: func(h *house) { h.exec("INSERT INTO alembic_version VALUES ('deadbeef0000')") }},
	{id: "LGS005", name: "a label nobody knows, and one that is gone", count: 3, says: []string{"jobstatus.STALLED is unknown", "jobtype.CLEANUP_CAMPAIGN is missing"},
		make: func(h *house) {
			h.exec("ALTER TYPE jobstatus ADD VALUE 'STALLED'")
			h.exec("ALTER TYPE jobtype RENAME VALUE 'CLEANUP_CAMPAIGN' TO 'cleanup'")
		}},
	{id: "LGS006", name: "a unique index that could not be", count: 1, says: []string{"ix_broken on jobs"},
		make: func(h *house) {
			if _, err := h.db.Pool.Exec(context.Background(), "CREATE UNIQUE INDEX CONCURRENTLY ix_broken ON jobs (campaign_id)"); err == nil {
				h.t.Fatal("the index could be built")
			}
		}},
	{id: "LGS007", name: "not valid", count: 1, says: []string{"constraint later on leads"},
		make: func(h *house) { h.exec("ALTER TABLE leads ADD CONSTRAINT later CHECK (email <> '') NOT VALID") }},
	{id: "LGS007", name: "not valid, of our own", count: 1, says: []string{"constraint later on leadgenctl.outbox"},
		make: func(h *house) {
			h.exec("ALTER TABLE leadgenctl.outbox ADD CONSTRAINT later CHECK (attempts >= 0) NOT VALID")
		}},
	{id: "LGS008", name: "a column is gone", count: 1, says: []string{"leads.enrichment_job_id"}, also: []string{"LGC007"},
		make: func(h *house) { h.exec("ALTER TABLE leads DROP COLUMN enrichment_job_id") }},
	{id: "LGS008", name: "a column is gone, and another schema has it", count: 1, says: []string{"leads.enrichment_job_id"}, also: []string{"LGC007"},
		make: func(h *house) {
			h.exec("CREATE SCHEMA backup")
			h.exec("CREATE TABLE backup.leads AS TABLE leads")
			h.exec("ALTER TABLE leads DROP COLUMN enrichment_job_id")
		}},
	{id: "LGE001", name: "newer ones are wanted", count: 2, says: []string{"Redis ", "PostgreSQL "},
		make: func(h *house) {}, with: func(o *consistency.Options) { o.MinPostgres, o.MinRedis = 99, "99.1" }},
	{id: "LGE001", name: "a newer PostgreSQL is wanted", count: 1, says: []string{"PostgreSQL ", "at least 99 is needed"},
		make: func(h *house) {}, with: func(o *consistency.Options) { o.MinPostgres = 99 }},
	{id: "LGE001", name: "a newer Redis is wanted", count: 1, says: []string{"Redis ", "at least 7.999 is needed"},
		make: func(h *house) {}, with: func(o *consistency.Options) { o.MinRedis = "7.999" }},
	{id: "LGE002", name: "a replica whose master is away", count: 1, says: []string{"link is down"},
		make: func(h *house) { h.must(h.redis.Client.ReplicaOf(context.Background(), "127.0.0.1", "1").Err()) }},
	{id: "LGE003", name: "a superuser", count: 1, says: []string{"superuser"}, make: func(h *house) {}},
	{id: "LGE004", name: "messages wait", count: 1, says: []string{"2 messages wait in celery"}, also: []string{"LGQ017"},
		make: func(h *house) { h.must(h.redis.Client.LPush(context.Background(), "celery", "{}", "{}").Err()) }},
	{id: "LGQ006", name: "the message is gone", count: 1, says: []string{"job ", "FETCH_LEADS"},
		make: func(h *house) {
			h.exec("UPDATE jobs SET created_at = now() - interval '5 minutes', updated_at = NULL WHERE id = $1", h.fixture.JobIDs[0])
		}},
	{id: "LGQ007", name: "resumed beside the old message", count: 1, says: []string{"job 1: a second message"},
		make: func(h *house) {
			h.worker()
			h.publish("first", h.fixture.JobIDs[0])
			h.publish("second", h.fixture.JobIDs[0])
		}},
	{id: "LGQ007", name: "an enrichment that is sent twice", count: 1, says: []string{"task enrich (enrich_lead_task): a second message"},
		make: func(h *house) {
			h.worker()
			h.enrich("enrich")
			h.enrich("enrich")
			h.enrich("another")
		}},
	{id: "LGQ008", name: "an enrichment that is done", count: 1, says: []string{"task enrich: job 1 is COMPLETED"},
		make: func(h *house) {
			h.worker()
			h.exec("UPDATE jobs SET job_type = 'ENRICH_LEAD', task_id = 'enrich', status = 'COMPLETED', completed_at = now() WHERE id = 1")
			h.enrich("enrich")
			h.enrich("another")
		}},
	{id: "LGQ008", name: "done and queued", count: 1, says: []string{"task again", "is COMPLETED"},
		make: func(h *house) {
			h.worker()
			h.publish("again", h.fixture.JobIDs[2])
		}},
	{id: "LGQ009", name: "no such job", count: 1, says: []string{"task astray: there is no job 424242"},
		make: func(h *house) {
			h.worker()
			h.publish("astray", 424242)
		}},
	{id: "LGQ009", name: "jobs that cannot be", count: 2, says: []string{"task zero: there is no job 0", "task minus: there is no job -7"},
		make: func(h *house) {
			h.worker()
			h.publish("zero", 0)
			h.publish("minus", -7)
		}},
	{id: "LGQ009", name: "jobs beyond every number", count: 2, says: []string{"there is no job 99999999999999999999", "there is no job 88888888888888888888"},
		make: func(h *house) {
			h.worker()
			for _, id := range []string{"99999999999999999999", "88888888888888888888"} {
				h.raw("huge "+id, `{"job_id": `+id+`, "job_type": "FETCH_LEADS", "campaign_id": "c"}`)
			}
		}},
	{id: "LGQ006", name: "of no time", count: 1, says: []string{"job 1 "},
		make: func(h *house) {
			h.exec("UPDATE jobs SET created_at = NULL, updated_at = NULL WHERE id = $1", h.fixture.JobIDs[0])
		}},
	{id: "LGQ010", name: "of no time", count: 1, says: []string{"PROCESSING since an unknown time"},
		make: func(h *house) {
			h.exec("UPDATE jobs SET created_at = NULL, updated_at = NULL WHERE id = $1", h.fixture.JobIDs[1])
		}},
	{id: "LGQ006", name: "its worker died", count: 1, says: []string{"job 1 "},
		make: func(h *house) {
			h.exec("UPDATE jobs SET task_id = 'begun', created_at = now() - interval '5 minutes', updated_at = NULL WHERE id = $1", h.fixture.JobIDs[0])
			h.set("celery-task-meta-begun", `{"status": "STARTED", "result": {"pid": 7, "hostname": "celery@gone"}, "task_id": "begun"}`, time.Hour)
		}},
	{id: "LGQ010", name: "the worker died an hour ago", count: 1, says: []string{"PROCESSING since"},
		make: func(h *house) {
			h.exec("UPDATE jobs SET created_at = now() - interval '1 hour', updated_at = NULL WHERE id = $1", h.fixture.JobIDs[1])
		}},
	{id: "LGQ011", name: "reserved for two hours", count: 1, says: []string{"delivery tag-1"},
		make: func(h *house) {
			h.must(h.redis.Client.ZAdd(context.Background(), "unacked_index", redis.Z{Score: float64(time.Now().Add(-2 * time.Hour).Unix()), Member: "tag-1"},
				redis.Z{Score: float64(time.Now().Unix()), Member: "tag-2"}).Err())
		}},
	{id: "LGQ017", name: "no JSON, and no id", count: 2, says: []string{"celery, index 0", "crashes the worker"},
		make: func(h *house) {
			h.worker()
			h.must(h.redis.Client.LPush(context.Background(), "celery", "rubbish", `{"headers": {"task": "x"}, "properties": {}}`).Err())
		}},
	{id: "LGQ017", name: "a task that no worker knows", count: 1, says: []string{`no worker knows the task "nobody_knows_it"`},
		make: func(h *house) {
			h.worker()
			_, err := h.broker.Publish(context.Background(), "unknown", []queue.Task{{ID: "u", Name: "nobody_knows_it"}, {ID: "own", Name: "celery.backend_cleanup"}})
			h.must(err)
		}},
	{id: "LGQ018", name: "nobody reads the answers", count: 1, says: []string{"dead.reply.celery.pidbox: 2 answers"},
		make: func(h *house) {
			h.must(h.redis.Client.SAdd(context.Background(), "_kombu.binding.reply.celery.pidbox", "dead\x06\x16\x06\x16dead.reply.celery.pidbox").Err())
			h.must(h.redis.Client.LPush(context.Background(), "dead.reply.celery.pidbox", "a", "b").Err())
		}},
}

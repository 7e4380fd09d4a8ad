package testenv_test

import (
	"context"
	"crypto/tls"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

func TestRedisClusterServesEverySlot(t *testing.T) {
	t.Parallel()
	c := testenv.StartRedisCluster(t)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.Addrs()[:1]})
	defer client.Close()
	for _, key := range []string{"a", "b", "c", "d", "e", "{circuit_breaker:global}:events"} {
		if err := client.Set(t.Context(), key, "v", 0).Err(); err != nil {
			t.Fatalf("set %s: %v", key, err)
		}
	}
}

func TestRedisSentinelFailsOver(t *testing.T) {
	t.Parallel()
	s := testenv.StartRedisSentinel(t)
	client := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: servers.SentinelMaster, SentinelAddrs: s.Addrs()})
	defer client.Close()
	if err := client.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Failover(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestRedisWithPasswordUsersAndTLS(t *testing.T) {
	t.Parallel()
	certs := testenv.NewCertificates(t)
	r := testenv.StartRedisWith(t, servers.RedisOptions{Password: "s3cret", TLS: certs,
		Users: map[string]string{"reader": "on >look ~* &* +@read +ping"}})
	opt, err := redis.ParseURL(r.UserURL("reader", "look", 0))
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := certs.ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	opt.TLSConfig = &tls.Config{RootCAs: trusted.RootCAs, MinVersion: tls.VersionTLS12}
	client := redis.NewClient(opt)
	defer client.Close()
	if err := client.Get(t.Context(), "k").Err(); err != redis.Nil {
		t.Fatalf("read: %v", err)
	}
	if err := client.Set(t.Context(), "k", "v", 0).Err(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Fatalf("write: %v; want NOPERM", err)
	}
}

func TestPostgresWithPasswordAndTLS(t *testing.T) {
	t.Parallel()
	p := testenv.StartPostgres(t, servers.PostgresOptions{Password: "pa:ss/w@rd", TLS: testenv.NewCertificates(t)})
	testenv.LoadPlatform(t, p.URL("postgres"))
	for url, ok := range map[string]bool{
		p.URL("postgres"):                          true,
		p.UserURL("postgres", "wrong", "postgres"): false,
		strings.Replace(p.URL("postgres"), "sslmode=verify-full", "sslmode=disable", 1): false,
	} {
		c, err := pgx.Connect(t.Context(), url)
		if (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
		if err == nil {
			c.Close(t.Context())
		}
	}
}

func TestPgBouncerPoolsTransactions(t *testing.T) {
	t.Parallel()
	url := testenv.StartPgBouncer(t, testenv.NewDatabase(t), 1)
	var pids [2]int
	for i := range pids {
		config, err := pgx.ParseConfig(url)
		if err != nil {
			t.Fatal(err)
		}
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
		c, err := pgx.ConnectConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(t.Context())
		if err := c.QueryRow(t.Context(), "SELECT pg_backend_pid() FROM campaigns RIGHT JOIN (SELECT 1) x ON true").Scan(&pids[i]); err != nil {
			t.Fatal(err)
		}
	}
	if pids[0] != pids[1] {
		t.Fatalf("two clients met the server processes %v; want one", pids)
	}
}

func TestProxyIsCutAndMended(t *testing.T) {
	t.Parallel()
	p := testenv.StartProxy(t, testenv.StartRedis(t).Addr())
	client := redis.NewClient(&redis.Options{Addr: p.Addr(), MaxRetries: -1, ReadTimeout: 200 * time.Millisecond})
	defer client.Close()
	ping := func() error { return client.Ping(t.Context()).Err() }
	if err := ping(); err != nil {
		t.Fatal(err)
	}
	p.Cut()
	if ping() == nil {
		t.Fatal("the proxy is cut, and lets through")
	}
	if err := p.Mend(); err != nil {
		t.Fatal(err)
	}
	if err := ping(); err != nil {
		t.Fatal(err)
	}
	if err := p.Hang(); err != nil {
		t.Fatal(err)
	}
	if ping() == nil {
		t.Fatal("the proxy hangs, and lets through")
	}
	p.Reset()
	if err := ping(); err != nil {
		t.Fatal(err)
	}
}

func TestCeleryWorkerRunsEachTaskOnceOverBothBrokers(t *testing.T) {
	t.Parallel()
	for name, broker := range map[string]func() string{
		"redis":    func() string { return testenv.StartRedis(t).URL(0) },
		"rabbitmq": func() string { return testenv.NewVHost(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, db := broker(), testenv.NewDatabase(t)
			f := db.NewCampaign(t, "RUNNING", testenv.Job{}, testenv.Job{Type: "CLEANUP_CAMPAIGN"})
			testenv.StartCeleryWorker(t, url, db.URL, servers.CeleryOptions{})
			testenv.RunCelery(t, url, db.URL, `
import leadgen_worker, psycopg2
for job, kind, campaign in [(`+strconv.FormatInt(f.JobIDs[0], 10)+`, "FETCH_LEADS", "`+f.CampaignID+`"), (`+strconv.FormatInt(f.JobIDs[1], 10)+`, "CLEANUP_CAMPAIGN", "`+f.CampaignID+`")]:
    leadgen_worker.process_job_task.delay(job_id=job, job_type=kind, campaign_id=campaign)
`)
			testenv.Eventually(t, time.Minute, func() error {
				return db.Expect(`SELECT (SELECT count(*) FROM jobs WHERE status = 'COMPLETED') = 2
					AND (SELECT count(*) FROM worker_log.executions) = 2`)
			})
		})
	}
}

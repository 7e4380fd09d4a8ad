package consistency

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

func environmentChecks() []*Check {
	return []*Check{
		{
			ID: "LGE001", Family: Environment, Severity: Error, Title: "Servers are too old",
			Meaning: "leadgenctl is tested with PostgreSQL 13 and Redis 6.2 and later. With older ones commands fail half-way.",
			Remedy:  "Upgrade the server that is named here.",
			Reads:   "SHOW server_version_num; INFO server", needs: redisServer | postgres, inspect: serversTooOld,
		},
		{
			ID: "LGE002", Family: Environment, Severity: Warning, Title: "Replication lags or is broken",
			Meaning: "A fail-over now would lose the newest changes: an open breaker, or paused jobs.",
			Remedy:  "Look at the network and the disk of the replica that is named here, and at its log.",
			Reads:   "pg_stat_replication; INFO replication", needs: redisServer | postgres, inspect: replicationLags,
		},
		{
			ID: "LGE003", Family: Environment, Severity: Info, Title: "The PostgreSQL role has more rights than checks need",
			Meaning: "For information: this role could change or drop what it only has to read.",
			Remedy:  "Run checks as a role that can read only (README, Least privilege).",
			Reads:   rightsSQL, needs: postgres, inspect: catalogue(rightsSQL),
		},
		noWorkerCheck(),
	}
}

const rightsSQL = `SELECT format('role %s: %s', rolname, concat_ws(', ', CASE WHEN rolsuper THEN 'superuser' END,
	CASE WHEN rolcreaterole THEN 'may create roles' END, CASE WHEN rolbypassrls THEN 'bypasses row security' END,
	CASE WHEN NOT rolsuper THEN 'may change ' || tables END))
FROM pg_roles, (SELECT string_agg(t, ', ' ORDER BY t) AS tables FROM unnest(ARRAY['campaigns', 'jobs', 'leads', 'organizations']) AS t
	WHERE has_table_privilege(to_regclass(t), 'DELETE, TRUNCATE') OR has_any_column_privilege(to_regclass(t), 'INSERT, UPDATE')) AS changes
WHERE rolname = current_user AND (rolsuper OR rolcreaterole OR rolbypassrls OR tables IS NOT NULL)`

func serversTooOld(ctx context.Context, l *look, _ *Check) (outcome, error) {
	var number string
	if err := l.row(ctx, "SHOW server_version_num", nil, &number); err != nil {
		return outcome{}, err
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return outcome{}, fmt.Errorf("PostgreSQL's version number %q: %w", number, err)
	}
	samples, err := redisTooOld(ctx, l)
	if err != nil {
		return outcome{}, err
	}
	if n/10000 < l.options.MinPostgres {
		samples = append(samples, fmt.Sprintf("PostgreSQL %d; at least %d is needed", n/10000, l.options.MinPostgres))
	}
	return many(l, samples), nil
}

const (
	standbysSQL = `SELECT format('PostgreSQL standby %s: %s behind', coalesce(nullif(application_name, ''), client_addr::text), replay_lag)
FROM pg_stat_replication WHERE replay_lag > make_interval(secs => $1) ORDER BY 1`
	standbySQL = `SELECT format('PostgreSQL: this is a standby, %s behind', now() - pg_last_xact_replay_timestamp())
WHERE pg_is_in_recovery() AND pg_last_wal_receive_lsn() IS DISTINCT FROM pg_last_wal_replay_lsn()
	AND now() - pg_last_xact_replay_timestamp() > make_interval(secs => $1)`
)

func replicationLags(ctx context.Context, l *look, _ *Check) (outcome, error) {
	var samples []string
	for _, sql := range []string{standbysSQL, standbySQL} {
		found, err := l.texts(ctx, sql, l.options.MaxLag.Seconds())
		if err != nil {
			return outcome{}, err
		}
		samples = append(samples, found...)
	}
	info, err := l.infoOnce()
	if err != nil {
		return outcome{}, err
	}
	if info["role"] == "slave" && info["master_link_status"] != "up" {
		samples = append(samples, fmt.Sprintf("Redis: this is a replica of %s:%s, and the link is down", info["master_host"], info["master_port"]))
	}
	slaves, _ := strconv.Atoi(info["connected_slaves"])
	for i := range slaves {
		if lag := replicaLag(info[fmt.Sprintf("slave%d", i)]); lag > int(l.options.MaxLag.Seconds()) {
			samples = append(samples, fmt.Sprintf("Redis replica %d: %d seconds behind", i, lag))
		}
	}
	return many(l, samples), nil
}

// replicaLag reads the lag out of a line such as ip=…,port=…,state=online,offset=…,lag=1.
func replicaLag(line string) int {
	for field := range strings.SplitSeq(line, ",") {
		if v, ok := strings.CutPrefix(field, "lag="); ok {
			n, _ := strconv.Atoi(v)
			return n
		}
	}
	return 0
}

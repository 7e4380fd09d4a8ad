package doctorcmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
)

// rightsSQL names what this role lacks, by what it would be needed for. A table that is
// not there is another check's finding.
const rightsSQL = `SELECT 'read', format('SELECT on %s', t.oid::regclass)
FROM unnest(ARRAY['organizations', 'campaigns', 'jobs', 'leads', 'alembic_version']) AS n CROSS JOIN LATERAL (SELECT to_regclass(n) AS oid) AS t
WHERE t.oid IS NOT NULL AND NOT has_table_privilege(t.oid, 'SELECT')
UNION ALL SELECT 'read', 'USAGE on schema leadgenctl' FROM pg_namespace WHERE nspname = 'leadgenctl' AND NOT has_schema_privilege(oid, 'USAGE')
UNION ALL SELECT 'operate', format('UPDATE on %s', t.oid::regclass)
FROM unnest(ARRAY['campaigns', 'jobs', 'leads']) AS n CROSS JOIN LATERAL (SELECT to_regclass(n) AS oid) AS t
WHERE t.oid IS NOT NULL AND NOT has_table_privilege(t.oid, 'UPDATE')
UNION ALL SELECT 'operate', format('INSERT, UPDATE and DELETE on leadgenctl.%I', c.relname) FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
WHERE s.nspname = 'leadgenctl' AND c.relkind IN ('r', 'p') AND c.relname <> 'schema_migrations'
	AND NOT (has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
UNION ALL SELECT 'migrate', format('owner of %s', t.oid::regclass)
FROM unnest(ARRAY['campaigns', 'jobs']) AS n CROSS JOIN LATERAL (SELECT to_regclass(n) AS oid) AS t JOIN pg_class c ON c.oid = t.oid
WHERE NOT pg_has_role(c.relowner, 'USAGE')
UNION ALL SELECT 'migrate', 'CREATE on database ' || quote_ident(current_database()) WHERE NOT has_database_privilege(current_database(), 'CREATE')`

const rightsTitle = "Rights in PostgreSQL"

func (v *visit) postgresRights(ctx context.Context) {
	rows, err := v.pool.Query(ctx, rightsSQL)
	if err != nil {
		v.report.failed("LGD003", rightsTitle, fmt.Errorf("read this role's rights: %w", err), "")
		return
	}
	defer rows.Close()
	lacks := map[string][]string{}
	for rows.Next() {
		var purpose, right string
		if err := rows.Scan(&purpose, &right); err != nil {
			v.report.failed("LGD003", rightsTitle, fmt.Errorf("read this role's rights: %w", err), "")
			return
		}
		lacks[purpose] = append(lacks[purpose], right)
	}
	if err := rows.Err(); err != nil {
		v.report.failed("LGD003", rightsTitle, fmt.Errorf("read this role's rights: %w", err), "")
		return
	}
	v.rights("LGD003", rightsTitle, "scripts/roles", lacks, "operate", "migrate")
}

// rights reports what is lacking. Without the right to read nothing works; without the
// others the user is one who looks, or who operates, which may be meant so. roles is the
// file that grants them; purposes are the further ones that were asked for.
func (v *visit) rights(id, title, roles string, lacks map[string][]string, purposes ...string) {
	if lacking := lacks["read"]; len(lacking) > 0 {
		v.report.found(id, title+": even commands that only read will fail", consistency.Error, "grant what is named here (README, Least privilege; "+roles+")", lacking...)
		return
	}
	may := []string{"may read"}
	for _, purpose := range purposes {
		if lacking := lacks[purpose]; len(lacking) > 0 {
			may = append(may, fmt.Sprintf("may not %s (lacks %s)", purpose, strings.Join(lacking, ", ")))
			continue
		}
		may = append(may, "may "+purpose)
	}
	v.report.passed(id, title, "%s", strings.Join(may, "; "))
}

// aclScript asks the server what this user may do, and does none of it. The function is
// in Redis 7 and later; older servers answer with nil.
const aclScript = `if not redis.acl_check_cmd then return false end
local lacks = {}
local function ask(purpose, ...)
  if not redis.acl_check_cmd(...) then lacks[#lacks + 1] = purpose .. ' ' .. select(1, ...) end
end
ask('read', 'GET', KEYS[1])
ask('read', 'PTTL', KEYS[1])
ask('read', 'XRANGE', KEYS[2], '-', '+')
ask('operate', 'SET', KEYS[1], '')
ask('operate', 'DEL', KEYS[1])
ask('operate', 'XADD', KEYS[2], '*', 'a', 'b')
ask('operate', 'PUBLISH', ARGV[1], '')
return lacks`

// redisRights asks for the rights on the breaker's keys.
func (v *visit) redisRights(ctx context.Context) {
	const id, title = "LGD005", "Rights in Redis"
	keys := []string{"circuit_breaker:global", "{circuit_breaker:global}:events"}
	lacking, err := v.redis.Eval(ctx, aclScript, keys, "{circuit_breaker:global}:changes").StringSlice()
	var refused redis.Error
	switch {
	case errors.Is(err, redis.Nil):
		v.report.skipped(id, title, "this server is older than Redis 7 and cannot say what a user may do")
	case errors.As(err, &refused) && strings.HasPrefix(err.Error(), "NOPERM"):
		// Whoever may not run scripts cannot operate; whether they can read is seen by reading.
		lacks := map[string][]string{"operate": {"EVAL"}}
		if err := v.redis.Get(ctx, keys[0]).Err(); err != nil && strings.HasPrefix(err.Error(), "NOPERM") {
			lacks["read"] = []string{"GET on " + keys[0]}
		}
		v.rights(id, title, "scripts/roles/redis.acl", lacks, "operate")
	case err != nil:
		v.report.failed(id, title, fmt.Errorf("ask Redis for this user's rights: %w", err), "")
	default:
		lacks := map[string][]string{}
		for _, l := range lacking {
			purpose, right, _ := strings.Cut(l, " ")
			lacks[purpose] = append(lacks[purpose], right)
		}
		v.rights(id, title, "scripts/roles/redis.acl", lacks, "operate")
	}
}

package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Database turns an address into pool settings: libpq URLs and key=value strings,
// SQLAlchemy's postgresql+driver:// URLs, and "" for PG* variables and service files.
func Database(address string, timeout time.Duration) (*pgxpool.Config, error) {
	dsn, err := libpqForm(address)
	if err != nil {
		return nil, fmt.Errorf("database URL %s: %w", Mask(address), err)
	}
	c, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("database URL %s: %w", Mask(address), plainParseError(err))
	}
	// Nothing is prepared under a name: PgBouncer in transaction mode works, and
	// no plan of ours outlives a change of a column's type.
	c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	c.ConnConfig.ConnectTimeout = timeout
	if c.ConnConfig.RuntimeParams["application_name"] == "" {
		c.ConnConfig.RuntimeParams["application_name"] = "leadgenctl"
	}
	return c, nil
}

// libpqForm strips what SQLAlchemy adds to the scheme.
func libpqForm(address string) (string, error) {
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		if address != "" && !strings.Contains(address, "=") {
			return "", errors.New("neither a URL nor key=value settings")
		}
		return address, nil
	}
	base, driver, _ := strings.Cut(scheme, "+")
	if base != "postgresql" && base != "postgres" {
		return "", fmt.Errorf("the scheme %q is not postgresql", scheme)
	}
	if driver == "" {
		return address, nil
	}
	return base + "://" + dropDriverOptions(rest), nil
}

// driverOptions are query parameters that Python drivers take and libpq does not know.
var driverOptions = []string{"prepared_statement_cache_size", "async_fallback", "client_encoding", "ssl"}

func dropDriverOptions(rest string) string {
	head, query, found := strings.Cut(rest, "?")
	if !found {
		return rest
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return rest
	}
	if mode := q.Get("ssl"); mode != "" && !q.Has("sslmode") { // asyncpg's name for it
		q.Set("sslmode", mode)
	}
	for _, name := range driverOptions {
		q.Del(name)
	}
	return head + "?" + q.Encode()
}

// plainParseError keeps pgx's reason and drops the connection string that it repeats.
func plainParseError(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return errors.New(withoutSecrets(inner.Error()))
	}
	msg := err.Error()
	if i := strings.LastIndex(msg, "`: "); i >= 0 {
		msg = msg[i+3:]
	}
	return errors.New(withoutSecrets(msg))
}

// withoutSecrets drops what net/url quotes of a URL that it cannot parse.
func withoutSecrets(msg string) string {
	if i := strings.Index(msg, `parse "`); i >= 0 {
		if j := strings.LastIndex(msg, `": `); j > i {
			return msg[:i] + msg[j+3:]
		}
	}
	return msg
}

package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// PgBouncer is a private connection pooler in transaction mode.
type PgBouncer struct {
	Port int
	*process
}

// StartPgBouncer starts a pooler below dir in front of a server at host:port
// that trusts the user postgres. Every database of the server can be named.
// pool is how many server connections each database gets: with 1, two clients in
// turn are sure to meet the same server connection.
func StartPgBouncer(ctx context.Context, dir, host string, port, pool int) (*PgBouncer, error) {
	bin, err := findBinary("pgbouncer", "/usr/sbin/pgbouncer")
	if err != nil {
		return nil, err
	}
	cred, err := unprivileged()
	if err != nil {
		return nil, err
	}
	own, err := FreePort()
	if err != nil {
		return nil, err
	}
	b := &PgBouncer{Port: own}
	home := filepath.Join(dir, "pgbouncer-"+strconv.Itoa(own))
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, fmt.Errorf("make the PgBouncer directory: %w", err)
	}
	conf, users := filepath.Join(home, "pgbouncer.ini"), filepath.Join(home, "users.txt")
	text := strings.Join([]string{"[databases]", fmt.Sprintf("* = host=%s port=%d", host, port), "[pgbouncer]",
		"listen_addr = 127.0.0.1", fmt.Sprintf("listen_port = %d", own), "unix_socket_dir =",
		"auth_type = trust", "auth_file = " + users, "pool_mode = transaction",
		fmt.Sprintf("default_pool_size = %d", pool), "max_client_conn = 200", "admin_users = postgres"}, "\n")
	if err := os.WriteFile(conf, []byte(text+"\n"), 0o644); err != nil {
		return nil, fmt.Errorf("write the PgBouncer configuration: %w", err)
	}
	if err := os.WriteFile(users, []byte(`"postgres" ""`+"\n"), 0o644); err != nil {
		return nil, fmt.Errorf("write the PgBouncer users: %w", err)
	}
	cmd := exec.Command(bin, conf)
	runAs(cmd, cred) // it refuses to run as root
	if b.process, err = start(home, "pgbouncer", cmd, "TERM"); err != nil {
		return nil, err
	}
	return b, b.ready(ctx, func(ctx context.Context) error {
		config, err := pgx.ParseConfig(b.URL("pgbouncer")) // its own console, which speaks the simple protocol only
		if err != nil {
			return err
		}
		config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
		c, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			return err
		}
		return c.Close(ctx)
	})
}

// URL is the address of a database through the pooler.
func (b *PgBouncer) URL(database string) string {
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", loopback(b.Port), database)
}

// Stop ends the pooler at once.
func (b *PgBouncer) Stop() { b.stop(syscall.SIGTERM) }

package servers

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
)

// StartStandby makes a streaming replica of a server below dir and starts it; it can
// be read from. The server trusts everyone (no password, no TLS).
func (p *Postgres) StartStandby(ctx context.Context, dir string) (*Postgres, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	backup, err := postgresBinary("pg_basebackup")
	if err != nil {
		return nil, err
	}
	s := &Postgres{Port: port, Dir: filepath.Join(dir, "standby-"+strconv.Itoa(port)), cred: p.cred,
		options: PostgresOptions{Settings: append([]string{"wal_receiver_status_interval=1s"}, p.options.Settings...)}}
	cmd := exec.CommandContext(ctx, backup, "-h", "127.0.0.1", "-p", strconv.Itoa(p.Port), "-U", "postgres", "-D", s.Dir, "-R", "-X", "stream", "-c", "fast")
	runAs(cmd, p.cred)
	cmd.Dir = filepath.Dir(p.Dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("copy the server to %s: %w: %s", s.Dir, err, out)
	}
	return s, s.run(ctx)
}

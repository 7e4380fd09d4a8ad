package servers

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// Postgres is a private PostgreSQL server; its superuser is "postgres".
type Postgres struct {
	Port int
	Dir  string // the data directory, also that of the Unix socket
	*process
	options PostgresOptions
	cred    *syscall.Credential
}

// PostgresOptions are how a server differs from a plain one, which trusts
// everyone on the loopback address.
type PostgresOptions struct {
	Password string        // scram-sha-256 for everyone; "" for trust
	TLS      *Certificates // refuse connections without TLS
	Settings []string      // further "name=value" settings
}

var postgresGlobs = []string{"/usr/lib/postgresql/*/bin/", "/opt/homebrew/opt/postgresql@*/bin/", "/usr/local/opt/postgresql@*/bin/"}

func postgresBinary(name string) (string, error) {
	var globs []string
	for _, g := range postgresGlobs {
		globs = append(globs, g+name)
	}
	return findBinary(name, globs...)
}

// StartPostgres makes a plain cluster below dir and starts it. Durability is off: the
// data lives no longer than the test. extra are further "name=value" settings.
func StartPostgres(ctx context.Context, dir string, extra ...string) (*Postgres, error) {
	return StartPostgresWith(ctx, dir, PostgresOptions{Settings: extra})
}

// StartPostgresWith makes a cluster below dir and starts it.
func StartPostgresWith(ctx context.Context, dir string, options PostgresOptions) (*Postgres, error) {
	cred, err := unprivileged()
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	pg := &Postgres{Port: port, Dir: filepath.Join(dir, "postgres-"+strconv.Itoa(port)), options: options, cred: cred}
	if err := pg.init(ctx); err != nil {
		return nil, err
	}
	return pg, pg.run(ctx)
}

func (p *Postgres) init(ctx context.Context) error {
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if p.cred != nil {
		if err := os.Chown(p.Dir, int(p.cred.Uid), int(p.cred.Gid)); err != nil {
			return fmt.Errorf("hand over the data directory: %w", err)
		}
	}
	initdb, err := postgresBinary("initdb")
	if err != nil {
		return err
	}
	args := []string{"-D", p.Dir, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"}
	if p.options.Password != "" {
		pw := p.Dir + ".password"
		if err := os.WriteFile(pw, []byte(p.options.Password+"\n"), 0o644); err != nil {
			return fmt.Errorf("write the password file: %w", err)
		}
		defer os.Remove(pw)
		args = append(args, "--pwfile", pw)
	}
	cmd := exec.CommandContext(ctx, initdb, args...)
	runAs(cmd, p.cred)
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb %s: %w: %s", p.Dir, err, out)
	}
	return p.writeHBA()
}

// writeHBA replaces the rules of initdb: who may connect, and how.
func (p *Postgres) writeHBA() error {
	kind, method := "host", "trust"
	if p.options.TLS != nil {
		kind = "hostssl"
	}
	if p.options.Password != "" {
		method = "scram-sha-256"
	}
	rules := fmt.Sprintf("local all all %[2]s\n%[1]s all all 127.0.0.1/32 %[2]s\n%[1]s replication all 127.0.0.1/32 %[2]s\n", kind, method)
	if err := os.WriteFile(filepath.Join(p.Dir, "pg_hba.conf"), []byte(rules), 0o644); err != nil {
		return fmt.Errorf("write pg_hba.conf: %w", err)
	}
	return nil
}

func (p *Postgres) run(ctx context.Context) error {
	bin, err := postgresBinary("postgres")
	if err != nil {
		return err
	}
	settings := []string{"listen_addresses=127.0.0.1", "fsync=off", "synchronous_commit=off",
		"full_page_writes=off", "max_connections=400", "shared_buffers=1GB", "max_wal_size=4GB",
		"timezone=UTC", "log_min_messages=warning"}
	if p.options.Password != "" {
		settings = append(settings, "password_encryption=scram-sha-256")
	}
	if t := p.options.TLS; t != nil {
		key, err := p.ownKey(t.ServerKey)
		if err != nil {
			return err
		}
		settings = append(settings, "ssl=on", "ssl_cert_file="+t.ServerCert, "ssl_key_file="+key, "ssl_ca_file="+t.CA)
	}
	args := []string{"-D", p.Dir, "-p", strconv.Itoa(p.Port), "-k", p.Dir}
	for _, s := range append(settings, p.options.Settings...) {
		args = append(args, "-c", s)
	}
	cmd := exec.Command(bin, args...)
	runAs(cmd, p.cred)
	if p.process, err = start(p.Dir, "postgres", cmd, "INT"); err != nil {
		return err
	}
	config, err := p.adminConfig()
	if err != nil {
		return err
	}
	return p.ready(ctx, func(ctx context.Context) error {
		c, err := pgx.ConnectConfig(ctx, config.Copy())
		if err != nil {
			return err
		}
		return c.Close(ctx)
	})
}

// ownKey copies the private key to where only the server's user can read it, as
// PostgreSQL demands.
func (p *Postgres) ownKey(key string) (string, error) {
	own := filepath.Join(p.Dir, "leadgenctl-server.key")
	pem, err := os.ReadFile(key)
	if err != nil {
		return "", fmt.Errorf("read the server's key: %w", err)
	}
	if err := os.WriteFile(own, pem, 0o600); err != nil {
		return "", fmt.Errorf("copy the server's key: %w", err)
	}
	if p.cred == nil {
		return own, nil
	}
	return own, os.Chown(own, int(p.cred.Uid), int(p.cred.Gid))
}

func (p *Postgres) adminConfig() (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(p.URL("postgres"))
	if err != nil || p.options.TLS == nil {
		return config, err
	}
	client, err := p.options.TLS.ClientTLS()
	if err != nil {
		return nil, err
	}
	config.TLSConfig = &tls.Config{RootCAs: client.RootCAs, ServerName: "localhost", MinVersion: tls.VersionTLS12}
	return config, nil
}

// URL is the superuser's address of a database of this server.
func (p *Postgres) URL(database string) string {
	return p.UserURL("postgres", p.options.Password, database)
}

// UserURL is the address of a database with the given credentials. With TLS it
// says sslmode=verify-full with the authority's file.
func (p *Postgres) UserURL(user, password, database string) string {
	u := url.URL{Scheme: "postgres", Host: loopback(p.Port), Path: "/" + database, User: url.User(user)}
	if password != "" {
		u.User = url.UserPassword(user, password)
	}
	q := url.Values{"sslmode": {"disable"}}
	if t := p.options.TLS; t != nil {
		q = url.Values{"sslmode": {"verify-full"}, "sslrootcert": {t.CA}}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// Stop ends the server (immediate shutdown: the data is thrown away).
func (p *Postgres) Stop() { p.stop(syscall.SIGQUIT) }

// Kill ends the server as kill -9 does; Restart then recovers its data.
func (p *Postgres) Kill() { p.kill() }

// Restart stops the server at once and starts it again on the same port and data.
// extra are settings in addition to those of the first start.
func (p *Postgres) Restart(ctx context.Context, extra ...string) error {
	p.Stop()
	p.options.Settings = append(p.options.Settings[:len(p.options.Settings):len(p.options.Settings)], extra...)
	if err := os.Remove(filepath.Join(p.Dir, "postmaster.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("clear the lock file of the stopped server: %w", err)
	}
	return p.run(ctx)
}

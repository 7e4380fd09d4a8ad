package cmdutil

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leadgenctl/leadgenctl/internal/exit"
)

// Explain gives an error of a server or of the way to it its exit code, one plain
// line and the next step. Errors that already have a code, and those of neither
// server, pass through.
func Explain(err error) error {
	var classified *exit.Error
	if err == nil || errors.As(err, &classified) || errors.Is(err, context.Canceled) {
		return err
	}
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return explainPostgres(err, pe)
	}
	if e := explainRedis(err); e != nil {
		return e
	}
	return explainNetwork(err)
}

// explained keeps err's own words up to the cause, and puts why in their place.
func explained(code int, err error, why, hint string) error {
	msg := err.Error()
	doing, _, found := strings.Cut(msg, ": ")
	// The masked address has a colon and a slash: the first ": " with a blank ends what was being done.
	if !found {
		doing = msg
	}
	return &exit.Error{Code: code, Err: &plainError{doing + ": " + why, err}, Hint: hint}
}

// plainError says what a person needs and unwraps to the cause.
type plainError struct {
	text  string
	cause error
}

func (e *plainError) Error() string { return e.text }
func (e *plainError) Unwrap() error { return e.cause }

func explainPostgres(err error, pe *pgconn.PgError) error {
	switch pe.Code {
	case "28P01", "28000":
		return explained(exit.Unreachable, err, pe.Message, "check the user and the password of the database URL (leadgenctl config view)")
	case "3D000":
		return explained(exit.Unreachable, err, pe.Message, "check the database's name (leadgenctl config view), or create it")
	case "42P01", "3F000":
		if strings.Contains(pe.Message, "leadgenctl") {
			return explained(exit.Unreachable, err, pe.Message, "install the schema of leadgenctl: leadgenctl migrate up --to base")
		}
		return explained(exit.Unreachable, err, pe.Message, "is this the platform's database, with its Alembic revisions applied? (leadgenctl config view)")
	case "42501":
		return explained(exit.Unreachable, err, pe.Message, "grant the right to this role, or use another (README, Least privilege)")
	case "53300":
		return explained(exit.Unreachable, err, pe.Message, "the server has no connection left; try again or raise max_connections")
	case "57P01", "57P02", "57P03", "25006":
		return explained(exit.Unreachable, err, pe.Message, "the server is shutting down, starting, or a standby; try again or use the primary")
	case "55P03":
		return explained(exit.Refused, err, pe.Message, "another session holds the lock; try again")
	case "57014":
		return explained(exit.Unreachable, err, pe.Message, "raise --timeout or --statement-timeout")
	}
	return err
}

func explainRedis(err error) error {
	msg := err.Error()
	for _, c := range []struct {
		mark, hint string
	}{
		{"NOAUTH", "the server wants a password: redis://:PASSWORD@host:port/db"},
		{"WRONGPASS", "check the user and the password of the Redis URL (leadgenctl config view)"},
		{"ERR AUTH", "the server has no password set: take it out of the Redis URL"},
		{"NOPERM", "give the ACL user this right, or use another (README, Least privilege)"},
		{"READONLY", "this server is a replica: use the master, or the Sentinel address"},
		{"LOADING", "the server is loading its data; try again"},
		{"MASTERDOWN", "the replica has lost its master; try again or use the master"},
		{"OOM ", "the server is out of memory and refuses writes"},
		{"MISCONF", "the server cannot save its data and refuses writes"},
		{"CLUSTERDOWN", "the cluster does not serve this slot; look at CLUSTER INFO"},
		{"MOVED", "this is a cluster: use redis+cluster://host:port"},
		{"ERR This instance has cluster support disabled", "this is no cluster: use redis://host:port/db"},
		{"ERR DB index", "the server has fewer databases: check the number at the end of the Redis URL"},
	} {
		if i := strings.Index(msg, c.mark); i >= 0 {
			return explained(exit.Unreachable, err, msg[i:], c.hint)
		}
	}
	return nil
}

func explainNetwork(err error) error {
	var (
		dns      *net.DNSError
		op       *net.OpError
		record   tls.RecordHeaderError
		verify   *tls.CertificateVerificationError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		timeout  net.Error
	)
	const checkURL = "check the address (leadgenctl config view), and that the server runs and is reached from here"
	switch {
	case errors.As(err, &dns):
		return explained(exit.Unreachable, err, fmt.Sprintf("no such host %q", dns.Name), "check the host name (leadgenctl config view)")
	case errors.As(err, &verify), errors.As(err, &unknown), errors.As(err, &hostname):
		return explained(exit.Unreachable, err, "the server's certificate is not trusted: "+last(err), "name its CA (sslrootcert, ssl_ca_certs) or its host name (ssl_server_name)")
	case errors.As(err, &record), strings.Contains(err.Error(), "server refused TLS"):
		return explained(exit.Unreachable, err, "the server does not speak TLS", "use redis:// in place of rediss://, or sslmode=disable")
	case errors.Is(err, syscall.ECONNREFUSED):
		return explained(exit.Unreachable, err, "connection refused", checkURL)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return explained(exit.Unreachable, err, "no answer in time", checkURL+", or raise --timeout")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return explained(exit.Unreachable, err, "the connection was cut", checkURL)
	case errors.As(err, &op):
		return explained(exit.Unreachable, err, last(op), checkURL)
	case strings.Contains(err.Error(), "all sentinels specified"):
		return explained(exit.Unreachable, err, "no Sentinel knows this master", "check the Sentinels' addresses and the master's name")
	}
	return err
}

// last is the innermost error's text.
func last(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// WarnError tells of an error that ends nothing, with the next step where one is known.
func (f *Factory) WarnError(err error) {
	err = Explain(err)
	if hint := exit.Hint(err); hint != "" {
		f.IO.Warnf("%v\n  %s", err, hint)
		return
	}
	f.IO.Warnf("%v", err)
}

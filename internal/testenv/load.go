package testenv

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
)

// LoadPlatform creates the platform's tables in a database of a private server.
func LoadPlatform(t testing.TB, databaseURL string) {
	t.Helper()
	LoadSQL(t, databaseURL, "platform/schema.sql")
}

// LoadSQL runs a file of testdata in a database.
func LoadSQL(t testing.TB, databaseURL, file string) {
	t.Helper()
	sql, err := os.ReadFile(filepath.Join(Root(), "testdata", file))
	must(t, err)
	ctx := startContext(t)
	c, err := pgx.Connect(ctx, databaseURL)
	must(t, err)
	defer c.Close(context.Background())
	_, err = c.Exec(ctx, string(sql))
	must(t, err)
}

func stderrOf(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(exit.Stderr)
	}
	return ""
}

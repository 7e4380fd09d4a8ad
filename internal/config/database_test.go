package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/config"
)

func TestDatabaseForms(t *testing.T) {
	dir := t.TempDir()
	service := filepath.Join(dir, "pg_service.conf")
	if err := os.WriteFile(service, []byte("[leadgen]\nhost=pg.example\nport=6543\ndbname=leads\nuser=ann\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGSERVICEFILE", service)
	t.Setenv("PGHOST", "pghost")
	t.Setenv("PGDATABASE", "pgdatabase")
	t.Setenv("PGUSER", "pguser")
	for address, want := range map[string]struct {
		host, database, user, password string
		port                           uint16
	}{
		"":                                   {"pghost", "pgdatabase", "pguser", "", 5432},
		"postgres://u:p%40w@h:6000/d":        {"h", "d", "u", "p@w", 6000},
		"postgresql://u@h/d?sslmode=disable": {"h", "d", "u", "", 5432},
		"postgresql+psycopg2://u:pw@h/d":     {"h", "d", "u", "pw", 5432},
		"postgresql+asyncpg://u:pw@h/d?ssl=require&prepared_statement_cache_size=0": {"h", "d", "u", "pw", 5432},
		"postgresql+psycopg2://u@/d?host=/run/postgresql":                           {"/run/postgresql", "d", "u", "", 5432},
		"host=/run/postgresql dbname=d user=u port=5433":                            {"/run/postgresql", "d", "u", "", 5433},
		"service=leadgen": {"pg.example", "leads", "ann", "", 6543},
	} {
		c, err := config.Database(address, time.Second)
		if err != nil {
			t.Errorf("%q: %v", address, err)
			continue
		}
		if cc := c.ConnConfig; cc.Host != want.host || cc.Database != want.database || cc.User != want.user || cc.Password != want.password || cc.Port != want.port {
			t.Errorf("%q: got %s:%d/%s as %s", address, cc.Host, cc.Port, cc.Database, cc.User)
		}
	}
}

func TestDatabaseRefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	for address, why := range map[string]string{
		"leadgen":                             "neither a URL nor key=value",
		"mysql://u:hunter2@h/d":               `"mysql" is not postgresql`,
		"postgres://u:hunter2@h:port/d":       "port",
		"postgres://u:hunter2@h/d?sslmode=no": "sslmode",
		"postgres://u:hunter2 %zz@h/d":        "",
		"host=h port=x password=hunter2":      "port",
		"service=nobody-knows-it":             "",
	} {
		_, err := config.Database(address, time.Second)
		if err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want %q and no secret", address, err, why)
		}
	}
}

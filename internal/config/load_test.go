package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/leadgenctl/leadgenctl/internal/config"
)

// clean makes an empty home and working folder, and an environment without settings.
func clean(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	t.Chdir(dir)
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		for _, prefix := range []string{"LEADGENCTL_", "POSTGRES_", "REDIS_", "CELERY_", "DATABASE_", "PG"} {
			if strings.HasPrefix(name, prefix) {
				t.Setenv(name, "")
				os.Unsetenv(name)
			}
		}
	}
	return dir
}

func load(t *testing.T, args ...string) (*config.Config, error) {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return config.Load(fs)
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Each source wins over the ones below it.
func TestPrecedence(t *testing.T) {
	clean(t)
	want := func(value, source string, args ...string) {
		t.Helper()
		c, err := load(t, args...)
		if err != nil {
			t.Fatal(err)
		}
		if c.RedisURL != value || c.Sources[config.KeyRedisURL] != source {
			t.Errorf("got %s from %s, want %s from %s", c.RedisURL, c.Sources[config.KeyRedisURL], value, source)
		}
	}
	want("redis://localhost:6379/0", "default")
	t.Setenv("REDIS_HOST", "parts")
	t.Setenv("REDIS_DB", "2")
	want("redis://parts:6379/2", "environment REDIS_HOST, …")
	writeFile(t, config.FileName, "redis-url: redis://file\ncontexts: {prod: {redis-url: redis://context, timeout: 3s}}\n")
	want("redis://file", "file")
	want("redis://context", "context", "--context", "prod")
	t.Setenv("LEADGENCTL_CONTEXT", "prod")
	want("redis://context", "context")
	t.Setenv("REDIS_URL", "redis://app")
	want("redis://app", "environment REDIS_URL")
	t.Setenv("LEADGENCTL_REDIS_URL", "redis://own")
	want("redis://own", "environment LEADGENCTL_REDIS_URL")
	want("redis://flag", "flag --redis-url", "--redis-url", "redis://flag")
	if c, err := load(t); err != nil || c.Timeout != 3*time.Second || c.BrokerURL != "redis://own" {
		t.Errorf("got %+v, %v; want the context's time-out, and the Redis as the broker", c, err)
	}
}

func TestTheAppsOwnVariables(t *testing.T) {
	clean(t)
	t.Setenv("POSTGRES_SERVER", "leadgen-postgres-1")
	t.Setenv("POSTGRES_USER", "app")
	t.Setenv("POSTGRES_PASSWORD", "p@ss/word")
	t.Setenv("POSTGRES_DB", "leadgen")
	t.Setenv("CELERY_BROKER_URL", "amqp://guest@rabbit//")
	t.Setenv("LEADGENCTL_SERVICES", "apollo,openai")
	c, err := load(t)
	if err != nil {
		t.Fatal(err)
	}
	d, err := config.Database(c.DatabaseURL, time.Second)
	if err != nil || d.ConnConfig.Host != "leadgen-postgres-1" || d.ConnConfig.Password != "p@ss/word" || d.ConnConfig.Database != "leadgen" || d.ConnConfig.User != "app" {
		t.Errorf("got %s, %v", config.Mask(c.DatabaseURL), err)
	}
	if c.BrokerURL != "amqp://guest@rabbit//" || strings.Join(c.Services, " ") != "apollo openai" || !strings.Contains(c.Actor, "@") {
		t.Errorf("got %+v", c)
	}
}

func TestTheFileOfTheUser(t *testing.T) {
	dir := clean(t)
	path := filepath.Join(dir, "given.yaml")
	writeFile(t, path, "current-context: a\ncontexts:\n  a: {redis-url: redis://a, services: [x, y]}\n  b: {redis-url: redis://b}\n")
	c, err := load(t, "--config", path)
	if err != nil || c.RedisURL != "redis://a" || c.Context != "a" || len(c.Services) != 2 {
		t.Fatalf("got %+v, %v", c, err)
	}
	if c, err := load(t, "--config", path, "--context", "b"); err != nil || c.RedisURL != "redis://b" {
		t.Fatalf("got %+v, %v", c, err)
	}
}

func TestBadSettingsAreNamed(t *testing.T) {
	dir := clean(t)
	path := filepath.Join(dir, "bad.yaml")
	for text, why := range map[string]string{
		"redis_url: redis://x":         "unknown key redis_url",
		"contexts: {a: {colour: red}}": "unknown key colour",
		"services: {a: b}":             "cannot unmarshal",
		"timeout: soon":                `timeout "soon" (from file)`,
		"timeout: -1s":                 "not a positive duration",
		"a: [":                         "did not find",
		"celery: {broker-transport-options: {priority_steps: [3, 6]}}": "must ascend from 0",
		"celery: {broker-transport-options: {fanout: x}}":              "fanout",
		"current-context: prod":                                        `no context "prod"`,
		"current-context: x\ncontexts: {b: {}, a: {}}":                 "known are: a, b",
	} {
		writeFile(t, path, text)
		if _, err := load(t, "--config", path); err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "bad.yaml") && !strings.Contains(why, "duration") && !strings.Contains(why, "timeout") {
			t.Errorf("%s: got %v, want %q and the file's name", text, err, why)
		}
	}
	if _, err := load(t, "--config", filepath.Join(dir, "none.yaml")); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := load(t, "--context", "x"); err == nil || !strings.Contains(err.Error(), "no config file was found") {
		t.Errorf("a context without a file: %v", err)
	}
}

// The channels keep the case of their names; the environment wins over the file's context.
func TestChannelsAndTransport(t *testing.T) {
	dir := clean(t)
	path := filepath.Join(dir, "c.yaml")
	writeFile(t, path, `
notify: {Team: "slack://hook:A-B-C@webhook"}
contexts: {prod: {notify: {OnCall: "pagerduty:///x"}, ping-url: "https://hc/1", webhook-secret: s}}
celery: {broker-transport-options: {global_keyprefix: "app:", sep: "~", priority_steps: [0, 5], unacked_key: held, unacked_index_key: held_index}}
`)
	c, err := load(t, "--config", path)
	if err != nil || len(c.Notify) != 1 || c.Notify["Team"] == "" || c.PingURL != "" {
		t.Fatalf("%+v, %v", c, err)
	}
	if got := c.Transport; got.KeyPrefix != "app:" || got.Separator != "~" || len(got.PrioritySteps) != 2 || got.Unacked != "held" || got.UnackedIndex != "held_index" {
		t.Errorf("%+v", got)
	}
	c, err = load(t, "--config", path, "--context", "prod")
	if err != nil || len(c.Notify) != 1 || c.Notify["OnCall"] == "" || c.PingURL != "https://hc/1" || c.WebhookSecret != "s" {
		t.Fatalf("%+v, %v", c, err)
	}
	t.Setenv("LEADGENCTL_NOTIFY", "A=exec:/bin/true  B=ntfy://host/topic?a=b")
	t.Setenv("LEADGENCTL_PING_URL", "https://hc/2")
	c, err = load(t, "--config", path, "--context", "prod")
	if err != nil || len(c.Notify) != 2 || c.Notify["B"] != "ntfy://host/topic?a=b" || c.PingURL != "https://hc/2" {
		t.Fatalf("%+v, %v", c, err)
	}
	for value, want := range map[string]string{"exec:/bin/true": "is not of the form", "ntfy://:hunter2@host/topic?a=b": "is not of the form",
		"a=exec:/bin/true a=exec:/bin/false": `LEADGENCTL_NOTIFY names the channel "a" twice`} {
		t.Setenv("LEADGENCTL_NOTIFY", value)
		if _, err := load(t); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", value, err)
		}
	}
}

package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/leadgenctl/leadgenctl/internal/config"
)

// apply reads an environment file of the given text.
func apply(t *testing.T, text string) error {
	t.Helper()
	name := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	config.AddFlags(flags)
	if err := flags.Set(config.KeyEnvFile, name); err != nil {
		t.Fatal(err)
	}
	return config.ApplyEnvFile(flags)
}

func TestAnEnvironmentFileIsReadAsSystemdDoes(t *testing.T) {
	clean(t)
	for _, name := range []string{"T_URL", "T_WORDS", "T_DOUBLE", "T_SINGLE", "T_EMPTY", "T_TWICE", "T_HASH"} {
		t.Setenv(name, "")
		os.Unsetenv(name)
	}
	t.Setenv("T_SET", "from outside")
	text := "# a comment\r\n; another\n\nT_URL=postgresql://u:p$w&x;y@h/d?a=b&c=d\r\n  T_WORDS = a=slack://x b=exec:/bin/y z  \n" +
		`T_DOUBLE="say \"$HOME\" C:\dir"` + "\n" + `T_SINGLE='it is \"so"'` + "\nT_EMPTY=\nT_TWICE=1\nT_TWICE=2\nT_HASH=a # b\nT_SET=from the file\n"
	if err := apply(t, text); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"T_URL": "postgresql://u:p$w&x;y@h/d?a=b&c=d", "T_WORDS": "a=slack://x b=exec:/bin/y z", "T_DOUBLE": `say "$HOME" C:\dir`,
		"T_SINGLE": `it is \"so"`, "T_EMPTY": "", "T_TWICE": "2", "T_HASH": "a # b", "T_SET": "from outside",
	} {
		if got, ok := os.LookupEnv(name); !ok || got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestABadEnvironmentFileIsRefused(t *testing.T) {
	clean(t)
	for text, want := range map[string]string{
		"A=1\nhunter2":         "line 2 is not of the form",
		"export A=hunter2":     "line 1 is not of the form",
		"1A=hunter2":           "line 1 is not of the form",
		`A="hunter2`:           "line 1 (A): the closing quote is missing",
		`A="hunter2" and more`: "line 1 (A): something follows the closing quote",
	} {
		if err := apply(t, text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestTheEnvironmentNamesTheFile(t *testing.T) {
	dir := clean(t)
	name := filepath.Join(dir, "env")
	if err := os.WriteFile(name, []byte("LEADGENCTL_ACTOR=the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LEADGENCTL_ACTOR", "")
	os.Unsetenv("LEADGENCTL_ACTOR")
	t.Setenv("LEADGENCTL_ENV_FILE", name)
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	config.AddFlags(flags)
	if err := config.ApplyEnvFile(flags); err != nil {
		t.Fatal(err)
	}
	if c, err := config.Load(flags); err != nil || c.Actor != "the file" || c.Sources[config.KeyActor] != "env-file "+name {
		t.Errorf("%+v, %v", c, err)
	}
}

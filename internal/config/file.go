package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/adrg/xdg"
	"go.yaml.in/yaml/v3"
)

// FileName is the config file's name, in the working folder or below the XDG config folders' leadgenctl/.
const FileName = "leadgenctl.yaml"

// values are the settings that a file's top level and each of its contexts may hold.
type values struct {
	DatabaseURL *string  `yaml:"database-url"`
	RedisURL    *string  `yaml:"redis-url"`
	BrokerURL   *string  `yaml:"broker-url"`
	Timeout     *string  `yaml:"timeout"`
	Actor       *string  `yaml:"actor"`
	Services    []string `yaml:"services"`

	Notify        map[string]string `yaml:"notify"`
	WebhookSecret *string           `yaml:"webhook-secret"`
	PingURL       *string           `yaml:"ping-url"`

	Celery *celerySettings `yaml:"celery"`
}

type file struct {
	CurrentContext string            `yaml:"current-context"`
	Contexts       map[string]values `yaml:"contexts"`
	values         `yaml:",inline"`
}

// asMap returns what is set, by the settings' names.
func (v values) asMap() map[string]any {
	m := map[string]any{}
	for key, p := range map[string]*string{KeyDatabaseURL: v.DatabaseURL, KeyRedisURL: v.RedisURL,
		KeyBrokerURL: v.BrokerURL, KeyTimeout: v.Timeout, KeyActor: v.Actor, KeySecret: v.WebhookSecret, KeyPingURL: v.PingURL} {
		if p != nil {
			m[key] = *p
		}
	}
	if v.Services != nil {
		m[KeyServices] = v.Services
	}
	if v.Notify != nil {
		m[KeyNotify] = v.Notify
	}
	return m
}

// findFile returns the file to read, "" where there is none. A file that was
// asked for by name must exist.
func findFile(named string) (string, error) {
	if named != "" {
		if _, err := os.Stat(named); err != nil {
			return "", fmt.Errorf("read the config file: %w", err)
		}
		return named, nil
	}
	if _, err := os.Stat(FileName); err == nil {
		return FileName, nil
	}
	path, err := xdg.SearchConfigFile(filepath.Join("leadgenctl", FileName))
	if err != nil {
		return "", nil // none of the XDG folders holds one
	}
	return path, nil
}

// DefaultFile is where `config init` writes: the user's own XDG config folder.
func DefaultFile() string { return filepath.Join(xdg.ConfigHome, "leadgenctl", FileName) }

func readFile(path string) (file, error) {
	var f file
	if path == "" {
		return f, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return f, fmt.Errorf("read the config file %s: %w", path, err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return f, fmt.Errorf("config file %s: %s", path, plainYAMLError(err))
	}
	return f, nil
}

// plainYAMLError turns yaml's list of errors into one line without Go's type names.
func plainYAMLError(err error) string {
	var te *yaml.TypeError
	if !errors.As(err, &te) {
		return strings.TrimPrefix(err.Error(), "yaml: ")
	}
	var lines []string
	for _, l := range te.Errors {
		l = strings.Split(l, " not found in type ")[0]
		lines = append(lines, strings.Replace(l, ": field ", ": unknown key ", 1))
	}
	return strings.Join(lines, "; ")
}

// context returns the values of the named context, of the current one when name is "".
func (f file) context(name, path string) (string, values, error) {
	if name == "" {
		name = f.CurrentContext
	}
	if name == "" {
		return "", values{}, nil
	}
	v, ok := f.Contexts[name]
	if ok {
		return name, v, nil
	}
	if len(f.Contexts) == 0 {
		return "", v, fmt.Errorf("there is no context %q: %s defines none", name, orNone(path))
	}
	known := make([]string, 0, len(f.Contexts))
	for k := range f.Contexts {
		known = append(known, k)
	}
	sort.Strings(known)
	return "", v, fmt.Errorf("there is no context %q in %s; known are: %s", name, path, strings.Join(known, ", "))
}

func orNone(path string) string {
	if path == "" {
		return "no config file was found, which"
	}
	return path
}

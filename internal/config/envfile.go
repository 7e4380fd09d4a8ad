package config

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/adrg/xdg"
	"github.com/spf13/pflag"
)

// KeyEnvFile is the flag that names a file of variables.
const KeyEnvFile = "env-file"

// ApplyEnvFile puts the variables of --env-file (LEADGENCTL_ENV_FILE) into the environment,
// where they are not set yet. Its errors hold no value: values may be secrets.
func ApplyEnvFile(flags *pflag.FlagSet) error {
	name := flagOrEnv(flags, KeyEnvFile)
	if name == "" {
		return nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("read the environment file: %w", err)
	}
	variables, err := parseEnvFile(string(data))
	if err != nil {
		return fmt.Errorf("environment file %s: %w", name, err)
	}
	for _, v := range variables {
		if _, set := os.LookupEnv(v.name); set {
			continue
		}
		if err := os.Setenv(v.name, v.value); err != nil {
			return fmt.Errorf("environment file %s: set %s: %w", name, v.name, err)
		}
		fromEnvFile[v.name] = name
	}
	xdg.Reload() // the folders may be among them
	return nil
}

// fromEnvFile says of which file a variable is, for `config view`.
var fromEnvFile = map[string]string{}

type variable struct{ name, value string }

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// parseEnvFile reads what systemd's EnvironmentFile and Docker's --env-file agree on: a
// NAME=value a line, comments on lines of their own. Nothing in a value is expanded or
// split, so that addresses need no quotes; quotes around a whole value are taken off. The
// last line of a name counts.
func parseEnvFile(text string) ([]variable, error) {
	var out []variable
	at := map[string]int{}
	for i, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if !ok || !variableName.MatchString(name) {
			return nil, fmt.Errorf("line %d is not of the form NAME=value", i+1)
		}
		value, err := unquote(strings.TrimSpace(value))
		if err != nil {
			return nil, fmt.Errorf("line %d (%s): %w", i+1, name, err)
		}
		if j, twice := at[name]; twice {
			out[j].value = value
			continue
		}
		at[name] = len(out)
		out = append(out, variable{name, value})
	}
	return out, nil
}

// unquote takes the quotes off a value; within double quotes a backslash keeps ", \, $ and ` as they are.
func unquote(value string) (string, error) {
	if value == "" || value[0] != '"' && value[0] != '\'' {
		return value, nil
	}
	quote, rest := value[0], value[1:]
	var out strings.Builder
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == quote && i == len(rest)-1:
			return out.String(), nil
		case c == quote:
			return "", fmt.Errorf("something follows the closing quote")
		case c == '\\' && quote == '"' && i+1 < len(rest) && strings.IndexByte("\"\\$`", rest[i+1]) >= 0:
			i++
			out.WriteByte(rest[i])
		default:
			out.WriteByte(c)
		}
	}
	return "", fmt.Errorf("the closing quote is missing")
}

package enumdrop

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// The names of what an online drop makes until it swaps.
const (
	prefix      = "leadgenctl_new_"
	syncTrigger = "zzz_leadgenctl_sync" // fires last, so that it sees what other triggers made of the row
)

func ident(parts ...string) string { return pgx.Identifier(parts).Sanitize() }

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// temporary is a name for the new version of an object; PostgreSQL cuts names at 63 bytes.
func temporary(name string) string {
	if len(prefix)+len(name) > 63 {
		name = name[:63-len(prefix)]
	}
	return prefix + name
}

// renamed replaces identifiers in an expression or definition as PostgreSQL prints it,
// and leaves string literals alone.
func renamed(sql string, names map[string]string) string {
	var b strings.Builder
	for i := 0; i < len(sql); {
		j := i + 1
		switch c := sql[i]; {
		case c == '\'':
			for j < len(sql) && sql[j] != '\'' {
				j++
			}
			j = min(j+1, len(sql))
			b.WriteString(sql[i:j])
		case c == '"':
			for j < len(sql) && sql[j] != '"' {
				j++
			}
			j = min(j+1, len(sql))
			writeName(&b, sql[i:j], strings.Trim(sql[i:j], `"`), names)
		case inWord(c):
			for j < len(sql) && inWord(sql[j]) {
				j++
			}
			writeName(&b, sql[i:j], sql[i:j], names)
		default:
			b.WriteByte(c)
		}
		i = j
	}
	return b.String()
}

func writeName(b *strings.Builder, raw, name string, names map[string]string) {
	if to, ok := names[name]; ok {
		b.WriteString(ident(to))
		return
	}
	b.WriteString(raw)
}

func inWord(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

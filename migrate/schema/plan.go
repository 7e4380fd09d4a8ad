package schema

import (
	"context"
	"fmt"
	"strings"
)

// Statement is one statement of a migration, and what it costs the others.
type Statement struct {
	SQL   string `json:"sql"`
	Lock  string `json:"lock,omitempty"`  // "" for one that takes no lock on a table of the platform
	Table string `json:"table,omitempty"` // the platform's table that is locked
	Work  string `json:"work,omitempty"`  // "looks at no row", "scans it" or "rewrites it"
	Rows  int64  `json:"rows,omitempty"`  // of the table, as the planner estimates them
	Bytes int64  `json:"bytes,omitempty"` // of the table with its indexes
}

// Step is one pending migration with its statements.
type Step struct {
	Migration  string      `json:"migration"`
	Statements []Statement `json:"statements"`
}

// Plan returns what Up would run for the target: each statement, the lock that it
// takes, on which table, of which size, and whether it scans or rewrites it.
func (m *Migrator) Plan(ctx context.Context, target string) ([]Step, error) {
	pending, err := m.Pending(ctx, target)
	if err != nil {
		return nil, err
	}
	steps := []Step{}
	for _, mig := range pending {
		s := Step{Migration: mig.String(), Statements: mig.Statements()}
		for i := range s.Statements {
			if err := m.measure(ctx, &s.Statements[i]); err != nil {
				return nil, err
			}
		}
		steps = append(steps, s)
	}
	return m.planRemoval(ctx, target, steps)
}

func (m *Migrator) measure(ctx context.Context, s *Statement) error {
	if s.Table == "" {
		return nil
	}
	err := m.pool.QueryRow(ctx, `SELECT greatest(coalesce(c.reltuples, 0), 0)::bigint, coalesce(pg_total_relation_size(c.oid), 0)
		FROM (SELECT to_regclass($1) AS oid) r LEFT JOIN pg_class c USING (oid)`, s.Table).Scan(&s.Rows, &s.Bytes)
	if err != nil {
		return fmt.Errorf("measure the table %s: %w", s.Table, err)
	}
	return nil
}

// Statements are those of Up, in order.
func (m Migration) Statements() []Statement { return statements(m.Up) }

// statements splits a file at each ";" at the end of a line outside a $tag$ body,
// and reads the "-- takes:" line above a statement.
func statements(sql string) []Statement {
	var out []Statement
	var s Statement
	var lines []string
	body := ""
	for line := range strings.SplitSeq(sql, "\n") {
		if takes, ok := strings.CutPrefix(line, "-- takes: "); ok && body == "" {
			s.Lock, takes, _ = strings.Cut(takes, " on ")
			s.Table, s.Work, _ = strings.Cut(takes, ", ")
			continue
		}
		if body == "" && (strings.HasPrefix(line, "--") || strings.TrimSpace(line) == "") && len(lines) == 0 {
			continue
		}
		lines = append(lines, line)
		body = dollarBody(line, body)
		code, _, _ := strings.Cut(line, " --")
		if body == "" && strings.HasSuffix(strings.TrimSpace(code), ";") {
			s.SQL = strings.Join(lines, "\n")
			out = append(out, s)
			s, lines = Statement{}, nil
		}
	}
	return out
}

// dollarBody returns the tag of the dollar-quoted body that is open after a line.
func dollarBody(line, open string) string {
	for {
		if open != "" {
			i := strings.Index(line, open)
			if i < 0 {
				return open
			}
			line, open = line[i+len(open):], ""
			continue
		}
		i := strings.IndexByte(line, '$')
		if i < 0 {
			return ""
		}
		j := strings.IndexByte(line[i+1:], '$')
		if j < 0 {
			return ""
		}
		open, line = line[i:i+j+2], line[i+j+2:]
	}
}

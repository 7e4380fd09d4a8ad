package schema

import (
	"embed"
	"fmt"
	"io/fs"
	"sort"
	"strconv"
	"strings"
)

//go:embed sql/*.sql
var files embed.FS

// Migration is one numbered step.
type Migration struct {
	Version uint
	Name    string
	Up      string // SQL
	Down    string // SQL
	// Applied is a boolean SQL expression that is true once Up has run, and false after Down.
	Applied string
	// ChangesPlatform says that Up touches the platform's own tables, and not only ours.
	ChangesPlatform bool
}

// String is the number and name, as in the file's name.
func (m Migration) String() string { return fmt.Sprintf("%04d_%s", m.Version, m.Name) }

// The targets that have a name of their own; every migration's name is one too.
const (
	Base   = "base"   // our tables and nothing that touches the platform's own
	Latest = "latest" // everything
)

// firstBeyondBase is the name of the first migration that touches the platform's own tables.
const firstBeyondBase = "campaign_gate"

// Migrations returns all of them, oldest first.
func Migrations() ([]Migration, error) {
	names, err := fs.Glob(files, "sql/*.up.sql")
	if err != nil {
		return nil, fmt.Errorf("list the embedded migrations: %w", err)
	}
	all := make([]Migration, 0, len(names))
	for _, name := range names {
		m, err := load(name)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Version < all[j].Version })
	beyond := false
	for i := range all {
		beyond = beyond || all[i].Name == firstBeyondBase
		all[i].ChangesPlatform = beyond
	}
	return all, nil
}

func load(upName string) (Migration, error) {
	number, name, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(upName, "sql/"), ".up.sql"), "_")
	version, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return Migration{}, fmt.Errorf("migration file %s: its name has no number", upName)
	}
	up, err := files.ReadFile(upName)
	if err != nil {
		return Migration{}, fmt.Errorf("read the migration %s: %w", upName, err)
	}
	down, err := files.ReadFile(strings.TrimSuffix(upName, ".up.sql") + ".down.sql")
	if err != nil {
		return Migration{}, fmt.Errorf("read the way back of %s: %w", upName, err)
	}
	m := Migration{Version: uint(version), Name: name, Up: string(up), Down: string(down)}
	for line := range strings.SplitSeq(m.Up, "\n") {
		if rest, ok := strings.CutPrefix(line, "-- applied: "); ok {
			m.Applied = rest
		}
	}
	if m.Applied == "" {
		return Migration{}, fmt.Errorf("migration file %s: it has no line \"-- applied: …\"", upName)
	}
	return m, nil
}

// resolve returns the version that a target means: a number, a migration's name,
// its full file name, Base or Latest.
func resolve(all []Migration, target string) (uint, error) {
	base := uint(0)
	for _, m := range all {
		if !m.ChangesPlatform {
			base = m.Version
		}
	}
	switch target {
	case Base:
		return base, nil
	case Latest, "":
		return all[len(all)-1].Version, nil
	}
	for _, m := range all {
		if n, err := strconv.ParseUint(target, 10, 32); err == nil && uint(n) == m.Version || target == m.Name || target == m.String() {
			return m.Version, nil
		}
	}
	known := []string{Base, Latest}
	for _, m := range all {
		known = append(known, m.String())
	}
	return 0, &UnknownTargetError{Target: target, Known: known}
}

package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/output"
)

// stateFile keeps what the channels were told while PostgreSQL is away.
type stateFile string

// lock takes the file's lock until release is called; ok is false where another has it.
func (f stateFile) lock() (release func(), ok bool, err error) {
	if release, ok, err = output.Lock(string(f)); err != nil {
		err = fmt.Errorf("lock the audit's state: %w", err)
	}
	return release, ok, err
}

// state is what the file holds: a copy of the ledger, which is newer than PostgreSQL's
// where an audit ended while that was away.
type state struct {
	Newer   bool      `json:"newer"`
	Copied  time.Time `json:"copied"` // when it was last the same as PostgreSQL's
	Notices []Notice  `json:"notices"`
}

// read returns what the file holds; one that is not there knows nothing.
func (f stateFile) read() (s state, err error) {
	data, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return state{}, fmt.Errorf("read the audit's state %s: %w", f, err)
	}
	return s, nil
}

// load reads the file into l, and says whether it is newer than PostgreSQL's ledger.
func (f stateFile) load(l *ledger) (newer bool, err error) {
	s, err := f.read()
	l.copied = s.Copied
	for _, n := range s.Notices {
		l.add(n)
	}
	return s.Newer, err
}

// save writes l, which PostgreSQL has too where it is stored there.
func (f stateFile) save(l *ledger, stored bool) error {
	s := state{Newer: !stored, Notices: l.all()}
	if before, err := f.read(); stored {
		s.Copied = time.Now().UTC()
	} else if err == nil {
		s.Copied = before.Copied
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(string(f)), 0o700)
	}
	if err == nil {
		err = output.WriteFileMode(string(f), append(data, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep the audit's state: %w", err)
	}
	return nil
}

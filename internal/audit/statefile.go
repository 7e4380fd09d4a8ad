package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/leadgenctl/leadgenctl/internal/output"
)

// stateFile keeps what the channels were told while PostgreSQL is away.
type stateFile string

// lock takes the file's lock until release is called; ok is false where another has it.
func (f stateFile) lock() (release func(), ok bool, err error) {
	if err := os.MkdirAll(filepath.Dir(string(f)), 0o700); err != nil {
		return nil, false, fmt.Errorf("make the folder of the audit's state: %w", err)
	}
	h, err := os.OpenFile(string(f)+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("lock the audit's state: %w", err)
	}
	if err := syscall.Flock(int(h.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		h.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, false, nil
		}
		return nil, false, fmt.Errorf("lock the audit's state: %w", err)
	}
	return func() { h.Close() }, true, nil
}

// state is what the file holds: a copy of the ledger, which is newer than PostgreSQL's
// where an audit ended while that was away.
type state struct {
	Newer   bool     `json:"newer"`
	Notices []Notice `json:"notices"`
}

// load reads the file into l; one that is not there knows nothing.
func (f stateFile) load(l *ledger) (newer bool, err error) {
	data, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	var s state
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return false, fmt.Errorf("read the audit's state %s: %w", f, err)
	}
	for _, n := range s.Notices {
		l.add(n)
	}
	return s.Newer, nil
}

func (f stateFile) save(l *ledger, newer bool) error {
	s := state{Newer: newer, Notices: l.all()}
	data, err := json.MarshalIndent(s, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(string(f)), 0o700)
	}
	if err == nil {
		err = output.WriteFile(string(f), append(data, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep the audit's state: %w", err)
	}
	return nil
}

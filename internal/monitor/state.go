package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/output"
)

// state is what a monitor must know after a restart.
type state struct {
	Position   breaker.Position `json:"position"`             // how far the breaker's transitions were told
	Lost       bool             `json:"lost"`                 // it was told that Redis lost the open breaker
	Unrecorded bool             `json:"unrecorded,omitempty"` // nobody had recorded that opening: there is nothing to put back
	Failures   int64            `json:"failures"`             // the last row of leadgenctl.dispatch_failures that was seen
	OpenTold   time.Time        `json:"open_told"`            // when it was last told that the breaker stays open
	Waits      *waits           `json:"waits,omitempty"`      // what must still be told of the last transition
	Pending    []pending        `json:"pending,omitempty"`
}

func (s *state) load(name string) error {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, s)
	}
	if err != nil {
		return fmt.Errorf("read the monitor's state %s: %w", name, err)
	}
	return nil
}

func (s *state) save(name string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(name), 0o700)
	}
	if err == nil {
		err = output.WriteFileMode(name, append(data, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep the monitor's state: %w", err)
	}
	return nil
}

package state

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The kinds of snapshot.
const (
	KindMigrate  = "migrate-state" // before old keys are carried into the global key
	KindRollback = "rollback"      // before a rollback overwrites what is there
	KindFix      = "fix"           // before a fix of check-consistency changes the global key
)

// ErrNoSnapshot is returned when a store has no snapshot of the given id, or none at all.
var ErrNoSnapshot = errors.New("no such snapshot")

// DamagedError says that a snapshot is not what was saved.
type DamagedError struct {
	ID     string
	Reason string
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("snapshot %s is damaged: %s", e.ID, e.Reason)
}

// Snapshot holds keys as they were, byte for byte.
type Snapshot struct {
	ID        string     `json:"id"`
	Kind      string     `json:"kind"`
	CreatedAt time.Time  `json:"created_at"` // the server's clock where it may be read
	Actor     string     `json:"actor,omitempty"`
	Source    Identity   `json:"source"`
	Keys      []SavedKey `json:"keys"`   // by name
	Global    SavedKey   `json:"global"` // Absent where there was none
}

// SavedKey is one key with its remaining life, or its absence.
type SavedKey struct {
	Key     string    `json:"key"`
	Absent  bool      `json:"absent,omitempty"`
	Type    string    `json:"type,omitempty"`
	TTLMS   int64     `json:"ttl_ms"` // milliseconds left at ReadAt; -1 for no time to live
	ReadAt  time.Time `json:"read_at"`
	Dump    []byte    `json:"dump,omitempty"`    // what DUMP gave
	Value   []byte    `json:"value,omitempty"`   // of a string
	Members []Scored  `json:"members,omitempty"` // of a sorted set
	Service string    `json:"service,omitempty"`
	State   string    `json:"state,omitempty"` // what it was understood as
}

// Scored is a member of a sorted set. The score is text, for JSON has no infinity.
type Scored struct {
	Score  string `json:"score"`
	Member []byte `json:"member"`
}

// Life is what would be left of the key's life at an instant: NoExpiry for a key
// without a time to live, 0 or less for one that has run out.
func (k SavedKey) Life(now time.Time) time.Duration {
	if k.TTLMS < 0 {
		return NoExpiry
	}
	return max(0, time.Duration(k.TTLMS)*time.Millisecond-now.Sub(k.ReadAt))
}

func saveKey(k *OldKey) SavedKey {
	s := SavedKey{Key: k.Name, Type: k.Type, TTLMS: -1, ReadAt: k.ReadAt, Dump: k.Dump, Value: k.Raw, Service: k.Service, State: k.State()}
	if k.TTL != NoExpiry {
		s.TTLMS = k.TTL.Milliseconds()
	}
	for _, m := range k.Members {
		s.Members = append(s.Members, Scored{strconv.FormatFloat(m.Score, 'g', -1, 64), []byte(m.Name)})
	}
	return s
}

// oldKey is the reverse of saveKey, for a run that carries on from a snapshot.
func (k SavedKey) oldKey() *OldKey {
	f, service, _ := splitName(k.Key)
	o := &OldKey{Name: k.Key, Family: f, Service: service, Type: k.Type, TTL: NoExpiry, ReadAt: k.ReadAt, Dump: k.Dump, Raw: k.Value}
	if k.TTLMS >= 0 {
		o.TTL = time.Duration(k.TTLMS) * time.Millisecond
	}
	for _, m := range k.Members {
		score, _ := strconv.ParseFloat(m.Score, 64)
		o.Members = append(o.Members, Member{score, string(m.Member)})
	}
	o.decode()
	return o
}

// put adds a key, or replaces what was saved of it before.
func (s *Snapshot) put(k SavedKey) {
	i, found := slices.BinarySearchFunc(s.Keys, k.Key, func(a SavedKey, name string) int {
		switch {
		case a.Key < name:
			return -1
		case a.Key > name:
			return 1
		}
		return 0
	})
	if found {
		s.Keys[i] = k
		return
	}
	s.Keys = slices.Insert(s.Keys, i, k)
}

// newID is unique and sorts by time.
func newID(at time.Time) string {
	instant := strings.Replace(at.UTC().Format("20060102t150405.000z"), ".", "", 1)
	return instant + "-" + uuid.NewString()[:8]
}

// ValidID says whether id can be a snapshot's: it may become a file's name.
func ValidID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for _, c := range []byte(id) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

// Info describes a stored snapshot without its keys.
type Info struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	CreatedAt time.Time `json:"created_at"`
	Source    Identity  `json:"source"`
	Keys      int       `json:"keys"`
	Bytes     int64     `json:"bytes"`
	Checksum  string    `json:"checksum"`
	Location  string    `json:"location"` // a path, or the table
	Damaged   string    `json:"damaged,omitempty"`
}

// Store keeps snapshots.
type Store interface {
	// Save writes s durably under its id, in place of an earlier version of it.
	Save(ctx context.Context, s *Snapshot) error
	// Load returns a snapshot; ErrNoSnapshot where there is none, *DamagedError where
	// it is not what was saved (then with what could still be read, or nil).
	Load(ctx context.Context, id string) (*Snapshot, error)
	// List returns all snapshots, newest first, the damaged ones too.
	List(ctx context.Context) ([]Info, error)
	// Location says in words where the snapshot of an id is.
	Location(id string) string
}

// Resolve returns the id that "latest" stands for: that of the newest snapshot
// made by a migration. Any other id is returned as it is. With a *DamagedError the
// id of the damaged snapshot is returned too.
func Resolve(ctx context.Context, store Store, id string) (string, error) {
	if id != "latest" {
		if !ValidID(id) {
			return "", fmt.Errorf("snapshot %q: %w", clip(id), ErrNoSnapshot)
		}
		return id, nil
	}
	infos, err := store.List(ctx)
	if err != nil {
		return "", err
	}
	for _, info := range infos {
		if info.Damaged != "" {
			// It may be the one that is meant: better to say so than to take an older one.
			return info.ID, &DamagedError{ID: info.ID, Reason: info.Damaged + " (name another one by its id)"}
		}
		if info.Kind == KindMigrate {
			return info.ID, nil
		}
	}
	return "", fmt.Errorf("there is no snapshot of a migration in %s: %w", store.Location(""), ErrNoSnapshot)
}

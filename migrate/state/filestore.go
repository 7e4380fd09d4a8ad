package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const fileSuffix = ".snapshot"

// FileStore keeps each snapshot in a file of its own, readable by its owner only.
type FileStore struct {
	Dir  string            // made when the first snapshot is saved
	Step func(name string) // told of each step, for crash tests; may be nil
}

// Location is the path of a snapshot, or of the folder.
func (s *FileStore) Location(id string) string {
	if id == "" {
		return s.Dir
	}
	return filepath.Join(s.Dir, id+fileSuffix)
}

// Save writes the file aside, syncs it, and renames it: a reader, and a crash,
// sees the whole of the old version or the whole of the new one.
func (s *FileStore) Save(_ context.Context, snap *Snapshot) error {
	data, _, err := encode(snap)
	if err != nil {
		return err
	}
	if err := s.write(s.Location(snap.ID), data); err != nil {
		return fmt.Errorf("save the snapshot %s: %w", snap.ID, err)
	}
	return nil
}

func (s *FileStore) write(path string, data []byte) error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.Dir, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails, as it should, once it has been renamed
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	step(s.Step, StepSnapshotWritten)
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(s.Dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Load reads and checks one snapshot.
func (s *FileStore) Load(_ context.Context, id string) (*Snapshot, error) {
	if !ValidID(id) {
		return nil, fmt.Errorf("snapshot %q: %w", clip(id), ErrNoSnapshot)
	}
	data, err := os.ReadFile(s.Location(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("snapshot %s in %s: %w", id, s.Dir, ErrNoSnapshot)
	}
	if err != nil {
		return nil, fmt.Errorf("read the snapshot %s: %w", id, err)
	}
	return load(id, data)
}

// load decodes a stored snapshot that must have the given id.
func load(id string, data []byte) (*Snapshot, error) {
	snap, err := Decode(data)
	if err == nil && snap.ID != id {
		err = fmt.Errorf("it is the snapshot %s", snap.ID)
	}
	if err != nil {
		return snap, &DamagedError{ID: id, Reason: err.Error()}
	}
	return snap, nil
}

// List reads and checks every snapshot of the folder; a missing folder has none.
func (s *FileStore) List(context.Context) ([]Info, error) {
	entries, err := os.ReadDir(s.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the snapshots: %w", err)
	}
	infos := []Info{}
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), fileSuffix)
		if !ok || !ValidID(id) {
			continue
		}
		data, err := os.ReadFile(s.Location(id))
		if err != nil {
			return nil, fmt.Errorf("list the snapshots: %w", err)
		}
		infos = append(infos, infoOf(id, s.Location(id), data))
	}
	slices.SortFunc(infos, func(a, b Info) int { return strings.Compare(b.ID, a.ID) })
	return infos, nil
}

func infoOf(id, location string, data []byte) Info {
	info := Info{ID: id, Location: location, Bytes: int64(len(data))}
	snap, err := load(id, data)
	if err != nil {
		info.Damaged = err.(*DamagedError).Reason
	}
	if snap != nil {
		info.Kind, info.CreatedAt, info.Source, info.Keys = snap.Kind, snap.CreatedAt, snap.Source, len(snap.Keys)
	}
	if fields := strings.Fields(firstLine(data)); len(fields) > 2 {
		info.Checksum = fields[2]
	}
	return info
}

func firstLine(data []byte) string {
	line, _, _ := strings.Cut(string(data[:min(len(data), 200)]), "\n")
	return line
}

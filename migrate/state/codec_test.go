package state_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leadgenctl/leadgenctl/migrate/state"
)

func sample() *state.Snapshot {
	at := time.Date(2026, 1, 5, 10, 20, 41, 870e6, time.UTC)
	return &state.Snapshot{ID: "20260105t102041870z-0a1b2c3d", Kind: state.KindMigrate, CreatedAt: at, Actor: "ops@test",
		Source: state.Identity{Mode: "single", Address: "127.0.0.1:6379", DB: 3},
		Keys: []state.SavedKey{
			{Key: "circuit_breaker:apollo", Type: "string", TTLMS: 599123, ReadAt: at, Dump: []byte{0, 1, 255, 10, 13}, Value: []byte("\xff\x00"), Service: "apollo", State: "malformed"},
			{Key: "circuit_failures:apollo", Type: "zset", TTLMS: -1, ReadAt: at, Dump: []byte{3}, Members: []state.Scored{{Score: "+Inf", Member: []byte("x")}}},
		},
		Global: state.SavedKey{Key: "circuit_breaker:global", Absent: true, TTLMS: -1, ReadAt: at}}
}

// stored is the sample's bytes as a store keeps them.
func storedSample(t testing.TB) []byte {
	t.Helper()
	s := &state.FileStore{Dir: t.TempDir()}
	if err := s.Save(ctx, sample()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(s.Location(sample().ID))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSnapshotsComeBackAsTheyWereSaved(t *testing.T) {
	t.Parallel()
	s := &state.FileStore{Dir: t.TempDir() + "/made/when/needed"}
	if infos, err := s.List(ctx); err != nil || len(infos) != 0 {
		t.Errorf("an empty store: %v, %v", infos, err)
	}
	if err := s.Save(ctx, sample()); err != nil {
		t.Fatal(err)
	}
	got, err := s.Load(ctx, sample().ID)
	if err != nil || cmp.Diff(sample(), got) != "" {
		t.Errorf("%v: %s", err, cmp.Diff(sample(), got))
	}
	info, err := os.Stat(s.Location(sample().ID))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file may be read by others: %v, %v", info.Mode(), err)
	}
	infos, err := s.List(ctx)
	if err != nil || len(infos) != 1 || infos[0].Keys != 2 || infos[0].Damaged != "" || len(infos[0].Checksum) != len("sha256:")+64 {
		t.Errorf("listed as %+v, %v", infos, err)
	}
}

// TestEveryFlippedBitAndEveryCutIsNoticed tries them all.
func TestEveryFlippedBitAndEveryCutIsNoticed(t *testing.T) {
	t.Parallel()
	data := storedSample(t)
	for i := range data {
		if _, err := state.Decode(data[:i]); err == nil {
			t.Fatalf("cut to %d of %d bytes, it is accepted", i, len(data))
		}
		for bit := range 8 {
			bad := bytes.Clone(data)
			bad[i] ^= 1 << bit
			if _, err := state.Decode(bad); err == nil {
				t.Fatalf("with bit %d of byte %d flipped, it is accepted", bit, i)
			}
		}
	}
}

func TestAFileUnderAnotherNameIsRefused(t *testing.T) {
	t.Parallel()
	s := &state.FileStore{Dir: t.TempDir()}
	other := "20260105t102041870z-ffffffff"
	if err := os.WriteFile(s.Location(other), storedSample(t), 0o600); err != nil {
		t.Fatal(err)
	}
	var damaged *state.DamagedError
	if _, err := s.Load(ctx, other); !errors.As(err, &damaged) {
		t.Errorf("got %v", err)
	}
}

func FuzzDecodeSnapshot(f *testing.F) {
	data := storedSample(f)
	f.Add(data)
	f.Add(data[:len(data)-3])
	_, body, _ := bytes.Cut(data, []byte("\n"))
	f.Add(body)
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := state.Decode(data)
		if err != nil { // behind a right checksum the document is fuzzed, too
			s, err = state.Decode(fmt.Appendf(nil, "leadgenctl-snapshot 1 sha256:%x %d\n%s", sha256.Sum256(data), len(data), data))
		}
		if err != nil {
			return
		}
		// What is accepted can be saved, and is the same when it comes back.
		store := &state.FileStore{Dir: t.TempDir()}
		if err := store.Save(ctx, s); err != nil {
			t.Fatal(err)
		}
		again, err := store.Load(ctx, s.ID)
		if err != nil || cmp.Diff(s, again) != "" {
			t.Errorf("%v: %s", err, cmp.Diff(s, again))
		}
	})
}

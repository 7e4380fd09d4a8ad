package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A stored snapshot is one line "leadgenctl-snapshot 1 sha256:<hex> <length>",
// then a JSON document of that length. Every byte is covered: the checksum covers
// the document, and the line has only one spelling.
const header = "leadgenctl-snapshot 1 %s %d\n"

// encode returns the stored form of s and its checksum.
func encode(s *Snapshot) (data []byte, checksum string, err error) {
	body, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return nil, "", fmt.Errorf("encode the snapshot %s: %w", s.ID, err)
	}
	body = append(body, '\n')
	checksum = checksumOf(body)
	return append(fmt.Appendf(nil, header, checksum, len(body)), body...), checksum, nil
}

func checksumOf(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Decode reads the stored form of a snapshot. Where the checksum does not fit but
// the document can be read all the same, it returns both the snapshot and the error.
func Decode(data []byte) (*Snapshot, error) {
	line, body, ok := bytes.Cut(data, []byte("\n"))
	if !ok || !strings.HasPrefix(string(line), "leadgenctl-snapshot ") {
		return nil, errors.New("it does not begin like a snapshot")
	}
	var s Snapshot
	dec := json.NewDecoder(bytes.NewReader(body))
	err := dec.Decode(&s)
	if err == nil {
		if _, tail := dec.Token(); !errors.Is(tail, io.EOF) {
			err = errors.New("there is something behind its end")
		}
	}
	want := strings.TrimSuffix(fmt.Sprintf(header, checksumOf(body), len(body)), "\n")
	switch {
	case err != nil:
		return nil, fmt.Errorf("its document cannot be read: %w", err)
	case string(line) != want:
		return &s, errors.New("the checksum does not fit")
	}
	return &s, s.validate()
}

// validate refuses what no run of ours saves.
func (s *Snapshot) validate() error {
	if !ValidID(s.ID) {
		return fmt.Errorf("its id %q is none", clip(s.ID))
	}
	for _, k := range s.Keys {
		if k.Absent || len(k.Dump) == 0 {
			return fmt.Errorf("the key %q has no value", clip(k.Key))
		}
		if _, service, ok := splitName(k.Key); !ok || service == globalName {
			return fmt.Errorf("%q is not an old key", clip(k.Key))
		}
	}
	return nil
}

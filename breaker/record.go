package breaker

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Record is the value of the breaker's key, as the app and we write it.
type Record struct {
	State    State
	OpenedAt time.Time // zero for null or missing
	ClosedAt time.Time // zero for null or missing
	Metadata Metadata

	unknown []member // fields that are not ours, kept
}

// DecodeRecord reads a value that Python or this package wrote. The error says
// what is wrong; it does not name a key.
func DecodeRecord(data []byte) (Record, error) {
	members, err := decodeObject(data)
	if err != nil {
		return Record{}, err
	}
	var r Record
	for _, m := range members {
		switch m.name {
		case "state":
			err = r.decodeState(m.raw)
		case "opened_at":
			r.OpenedAt, err = decodeTime(m)
		case "closed_at":
			r.ClosedAt, err = decodeTime(m)
		case "metadata":
			err = r.decodeMetadata(m.raw)
		default:
			r.unknown = append(r.unknown, m)
		}
		if err != nil {
			return Record{}, err
		}
	}
	if r.State == "" {
		return Record{}, errors.New("it has no state")
	}
	return r, nil
}

func (r *Record) decodeState(raw json.RawMessage) error {
	var s string
	if json.Unmarshal(raw, &s) != nil || string(raw) == "null" {
		return errors.New("its state is not a text")
	}
	if r.State = State(s); !r.State.valid() {
		return fmt.Errorf("unknown state %q", clip(s, 64))
	}
	return nil
}

// decodeMetadata takes an empty array for an empty object, as Lua, which cannot tell
// them apart, leaves it.
func (r *Record) decodeMetadata(raw json.RawMessage) error {
	var items []json.RawMessage
	if string(raw) == "null" || json.Unmarshal(raw, &items) == nil && len(items) == 0 {
		return nil
	}
	var err error
	if r.Metadata.members, err = decodeObject(raw); err != nil {
		return errors.New("metadata is not a JSON object")
	}
	return nil
}

func decodeTime(m member) (time.Time, error) {
	if string(m.raw) == "null" {
		return time.Time{}, nil
	}
	var s string
	if json.Unmarshal(m.raw, &s) != nil {
		return time.Time{}, fmt.Errorf("%s is not a text", m.name)
	}
	t, err := ParseTimestamp(s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", m.name, err)
	}
	return t, nil
}

// Encode writes the record as Python's json.dumps would: the app's fields in the
// app's order, then those that are not ours.
func (r Record) Encode() []byte {
	var w pythonJSON
	w.object(r.members())
	return []byte(w.String())
}

func (r Record) members() []member {
	var meta pythonJSON
	meta.object(r.Metadata.members)
	return append([]member{
		{"state", quote(string(r.State))},
		{"opened_at", timeJSON(r.OpenedAt)},
		{"closed_at", timeJSON(r.ClosedAt)},
		{"metadata", json.RawMessage(meta.String())},
	}, r.unknown...)
}

func timeJSON(t time.Time) json.RawMessage {
	if t.IsZero() {
		return json.RawMessage("null")
	}
	return quote(FormatTimestamp(t))
}

// split encodes the record around its epoch, which only the script knows.
func (r Record) split() (before, after string) {
	const slot = "9223372036854775807" // no breaker has that epoch
	r.Metadata.Set(MetaEpoch, json.RawMessage(slot))
	before, after, _ = strings.Cut(string(r.Encode()), `"epoch": `+slot)
	return before + `"epoch": `, after
}

package breaker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// member is one name and value of a JSON object whose order is kept.
type member struct {
	name string
	raw  json.RawMessage
}

// decodeObject reads one JSON object, in order; of a repeated name the last value counts.
func decodeObject(data []byte) ([]member, error) {
	if !json.Valid(data) {
		if data = withoutNaN(data); !json.Valid(data) {
			return nil, errors.New("not JSON")
		}
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	var members []member
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		members = setMember(members, name.(string), raw)
	}
	return members, nil
}

// notNumbers matches a string, which stays, or what Python's json.dumps writes for
// numbers that JSON does not have.
var notNumbers = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`"(?:[^"\\]|\\.)*"|-?Infinity|NaN`)
})

func withoutNaN(data []byte) []byte {
	return notNumbers().ReplaceAllFunc(data, func(m []byte) []byte {
		if m[0] == '"' {
			return m
		}
		return []byte("null")
	})
}

func setMember(members []member, name string, raw json.RawMessage) []member {
	for i := range members {
		if members[i].name == name {
			members[i].raw = raw
			return members
		}
	}
	return append(members, member{name, raw})
}

func findMember(members []member, name string) (json.RawMessage, bool) {
	for _, m := range members {
		if m.name == name {
			return m.raw, true
		}
	}
	return nil, false
}

// pythonJSON writes as json.dumps does by default: ", " and ": " between, ASCII only.
type pythonJSON struct{ strings.Builder }

func (w *pythonJSON) object(members []member) {
	w.WriteByte('{')
	for i, m := range members {
		if i > 0 {
			w.WriteString(", ")
		}
		w.text(m.name)
		w.WriteString(": ")
		w.value(m.raw)
	}
	w.WriteByte('}')
}

// value re-spaces one JSON value; numbers keep their digits, objects their order.
func (w *pythonJSON) value(raw json.RawMessage) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		w.WriteString("null")
		return
	}
	switch raw[0] {
	case '{':
		members, err := decodeObject(raw)
		if err != nil {
			w.WriteString("null")
			return
		}
		w.object(members)
	case '[':
		var items []json.RawMessage
		if json.Unmarshal(raw, &items) != nil {
			w.WriteString("null")
			return
		}
		w.WriteByte('[')
		for i, item := range items {
			if i > 0 {
				w.WriteString(", ")
			}
			w.value(item)
		}
		w.WriteByte(']')
	case '"':
		var s string
		if json.Unmarshal(raw, &s) != nil {
			w.WriteString("null")
			return
		}
		w.text(s)
	default:
		w.Write(raw)
	}
}

func (w *pythonJSON) text(s string) {
	w.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			w.WriteByte('\\')
			w.WriteRune(r)
		case r == '\n':
			w.WriteString(`\n`)
		case r == '\r':
			w.WriteString(`\r`)
		case r == '\t':
			w.WriteString(`\t`)
		case r == '\b':
			w.WriteString(`\b`)
		case r == '\f':
			w.WriteString(`\f`)
		case r >= 0x20 && r < 0x7f:
			w.WriteByte(byte(r))
		case r == 0x7f:
			w.WriteByte(0x7f) // json.dumps leaves it as it is
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(w, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		default:
			fmt.Fprintf(w, `\u%04x`, r)
		}
	}
	w.WriteByte('"')
}

// quote is s as a JSON string.
func quote(s string) json.RawMessage {
	var w pythonJSON
	w.text(s)
	return json.RawMessage(w.String())
}

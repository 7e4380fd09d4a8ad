package breaker

import (
	"encoding/json"
	"strconv"
	"time"
)

// Names in a record's metadata. The first five are the app's own.
const (
	MetaLastError        = "last_error"
	MetaErrorType        = "error_type"
	MetaFailedAt         = "failed_at"
	MetaManuallyClosedAt = "manually_closed_at"
	MetaClosedBy         = "closed_by"
	MetaService          = "service"
	MetaReason           = "reason"
	MetaOpenedBy         = "opened_by"
	MetaEpoch            = "epoch"
)

// Metadata is the object of that name in a record: any names, in order. The zero
// value is empty. A copy shares nothing that Set changes in place.
type Metadata struct{ members []member }

// Names returns the names in order.
func (m Metadata) Names() []string {
	names := make([]string, len(m.members))
	for i, mem := range m.members {
		names[i] = mem.name
	}
	return names
}

// Raw returns the JSON of one value, or nil.
func (m Metadata) Raw(name string) json.RawMessage {
	raw, _ := findMember(m.members, name)
	return raw
}

// Text returns a string, or a number or boolean as text; "" for anything else.
func (m Metadata) Text(name string) string {
	raw := m.Raw(name)
	if len(raw) == 0 {
		return ""
	}
	switch c := raw[0]; {
	case c == '"':
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
		return s
	case c == '{' || c == '[' || c == 'n':
		return ""
	}
	return string(raw)
}

// Int returns a whole number, 0 for anything else.
func (m Metadata) Int(name string) int64 {
	n, err := strconv.ParseInt(m.Text(name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Time returns a timestamp, the zero time for anything else.
func (m Metadata) Time(name string) time.Time { return lenient(m.Text(name)) }

// Set puts a value under a name: in its place if the name is there, else at the
// end. A time is written as the app writes it. A value that has no JSON is left out.
func (m *Metadata) Set(name string, value any) {
	var raw json.RawMessage
	switch v := value.(type) {
	case string:
		raw = quote(v)
	case time.Time:
		raw = quote(FormatTimestamp(v))
	case json.RawMessage:
		raw = v
	default:
		b, err := json.Marshal(v)
		if err != nil {
			return
		}
		raw = b
	}
	if !json.Valid(raw) {
		return
	}
	m.members = setMember(append([]member(nil), m.members...), name, raw)
}

// setText is Set for a text that is left out when empty.
func (m *Metadata) setText(name, value string) {
	if value != "" {
		m.Set(name, value)
	}
}

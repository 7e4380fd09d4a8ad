package celery

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/leadgenctl/leadgenctl/queue"
)

// object is a JSON object whose members keep their order.
type object []queue.Kwarg

// appendJSON appends v as Python's json.dumps writes it: ", " and ": " between, ASCII only.
func appendJSON(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case string:
		return appendString(b, v), nil
	case object:
		return appendObject(b, v)
	case []queue.Kwarg:
		return appendObject(b, v)
	case map[string]any:
		return appendMap(b, v)
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ", "...)
			}
			var err error
			if b, err = appendJSON(b, e); err != nil {
				return b, err
			}
		}
		return append(b, ']'), nil
	}
	return appendNumber(b, v)
}

func appendObject(b []byte, members []queue.Kwarg) ([]byte, error) {
	b = append(b, '{')
	for i, m := range members {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(appendString(b, m.Name), ": "...)
		var err error
		if b, err = appendJSON(b, m.Value); err != nil {
			return b, fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return append(b, '}'), nil
}

func appendMap(b []byte, m map[string]any) ([]byte, error) {
	b = append(b, '{')
	for i, name := range sorted(m) {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(appendString(b, name), ": "...)
		var err error
		if b, err = appendJSON(b, m[name]); err != nil {
			return b, fmt.Errorf("%s: %w", name, err)
		}
	}
	return append(b, '}'), nil
}

// sorted are the names of a map, in order.
func sorted(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// plain says whether every byte of s stands for itself in JSON.
func plain(s string) bool {
	if strings.IndexByte(s, '"') >= 0 || !unescaped(s) {
		return false
	}
	for i := range len(s) {
		if s[i] > '~' {
			return false
		}
	}
	return true
}

var escapes = map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}

// appendString appends a text as Python does: everything beyond ASCII is escaped.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	if plain(s) {
		return append(append(b, s...), '"')
	}
	for _, r := range s {
		switch {
		case escapes[r] != "":
			b = append(b, escapes[r]...)
		case r >= ' ' && r <= 0x7f:
			b = append(b, byte(r))
		case r > 0xffff:
			r -= 0x10000
			b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return append(b, '"')
}

// appendNumber appends a number; a float that is whole keeps its ".0".
func appendNumber(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int32:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case uint64:
		return strconv.AppendUint(b, v, 10), nil
	case json.Number:
		return append(b, v...), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return b, fmt.Errorf("%v is no JSON number", v)
		}
		s := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(s, ".e") {
			s += ".0"
		}
		return append(b, s...), nil
	}
	return b, fmt.Errorf("a value of type %T is no JSON", v)
}

// reprLimit is how many characters of its arguments a message shows.
const reprLimit = 1024

// repr is Python's repr of a JSON value, as the headers show it; a tuple for the
// positional arguments.
func repr(v any, tuple bool) string { return string(shortRepr(nil, v, tuple)) }

// shortRepr appends what repr returns.
func shortRepr(b []byte, v any, tuple bool) []byte {
	from := len(b)
	b = appendRepr(b, v, tuple)
	if s := b[from:]; len(s) > reprLimit && utf8.RuneCount(s) > reprLimit {
		return append(b[:from], string([]rune(string(s))[:reprLimit-3])+"..."...)
	}
	return b
}

func appendRepr(b []byte, v any, tuple bool) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "None"...)
	case bool:
		if v {
			return append(b, "True"...)
		}
		return append(b, "False"...)
	case string:
		return appendReprString(b, v)
	case object:
		return appendReprObject(b, v)
	case []queue.Kwarg:
		return appendReprObject(b, v)
	case map[string]any:
		b = append(b, '{')
		for i, name := range sorted(v) {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = append(appendReprString(b, name), ": "...)
			b = appendRepr(b, v[name], false)
		}
		return append(b, '}')
	case []any:
		open, end := "[", "]"
		if tuple {
			open, end = "(", ")"
			if len(v) == 1 {
				end = ",)"
			}
		}
		b = append(b, open...)
		for i, e := range v {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = appendRepr(b, e, false)
		}
		return append(b, end...)
	}
	b, _ = appendNumber(b, v)
	return b
}

func appendReprObject(b []byte, members []queue.Kwarg) []byte {
	b = append(b, '{')
	for i, m := range members {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(appendReprString(b, m.Name), ": "...)
		b = appendRepr(b, m.Value, false)
	}
	return append(b, '}')
}

// appendReprString quotes as Celery's saferepr does: only the apostrophe is escaped.
func appendReprString(b []byte, s string) []byte {
	b = append(b, '\'')
	if strings.IndexByte(s, '\'') < 0 {
		return append(append(b, s...), '\'')
	}
	return append(append(b, strings.ReplaceAll(s, "'", `\'`)...), '\'')
}

package celery

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/tidwall/gjson"
)

// decoder decodes the messages of one walk. Those of a queue mostly have one layout for
// each task: one that was read in full tells how to read the next thousands at a fraction
// of the cost. What does not fit a layout that is known is read in full. Not safe for
// concurrent use.
type decoder struct {
	envelopes, bodies shapes
	values            []string
	body              []byte
}

// decode is the function decode, faster.
func (d *decoder) decode(raw string) (message, error) {
	if !unescaped(raw) {
		return decode(raw)
	}
	if m, ok := d.fast(raw); ok {
		return m, nil
	}
	m, err := decode(raw)
	if err == nil && m.Defect == "" && m.ETA == "" {
		d.learn(raw)
	}
	return m, err
}

// The places in a message that are read.
var (
	placeBody     = place("body")
	placeID       = place("headers", "id")
	placeTask     = place("headers", "task")
	placeEncoding = place("properties", "body_encoding")
	placeTag      = place("properties", "delivery_tag")
	placeJobID    = place("1", "job_id")

	placesRead = []string{placeBody, placeID, placeTask, placeEncoding, placeTag, placeJobID}

	// What decides how the rest is read is part of the layout: another value is another one.
	placeType = place("content-type")
	placeZip  = place("headers", "compression")
)

func (d *decoder) learn(raw string) {
	raw = strings.Clone(raw) // a shape outlives it
	s, ok := shapeOf(raw)
	if !ok || gjson.Get(raw, "headers.compression").String() != "" || !s.has(placesRead[:5]...) {
		return
	}
	if d.values = s.match(raw, d.values); d.values == nil {
		return
	}
	body, err := base64.StdEncoding.DecodeString(d.values[s.at(placeBody)])
	if err != nil || d.values[s.at(placeEncoding)] != "base64" || !unescaped(string(body)) {
		return
	}
	if b, ok := shapeOf(string(body)); ok {
		d.envelopes.add(s)
		d.bodies.add(b)
	}
}

// fast reads a message of a layout that is known.
func (d *decoder) fast(raw string) (m message, ok bool) {
	s, ok := d.envelopes.match(raw, &d.values)
	if !ok || d.values[s.at(placeEncoding)] != "base64" {
		return m, false
	}
	m = message{TaskID: d.values[s.at(placeID)], Name: d.values[s.at(placeTask)], Tag: d.values[s.at(placeTag)]}
	var err error
	encoded := d.values[s.at(placeBody)]
	if d.body, err = base64.StdEncoding.AppendDecode(d.body[:0], unsafe.Slice(unsafe.StringData(encoded), len(encoded))); err != nil {
		return m, false
	}
	body := text(d.body) // until the next message
	if !unescaped(body) {
		return m, false
	}
	if s, ok = d.bodies.match(body, &d.values); !ok {
		return m, false
	}
	if at := s.at(placeJobID); at >= 0 {
		m.JobID, err = strconv.ParseInt(d.values[at], 10, 64)
		return m, err == nil && m.JobID > 0
	}
	return m, argumentOf(m.Name) < 0 // else the job's id may be a positional argument
}

// unescaped says whether a text has neither an escape nor a control character.
func unescaped(s string) bool {
	if strings.IndexByte(s, '\\') >= 0 {
		return false
	}
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	const low, high = 0x2020202020202020, 0x8080808080808080
	var control uint64 // its high bits: a byte is less than a blank
	for ; len(b) >= 32; b = b[32:] {
		w, x, y, z := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
		control |= (w-low)&^w | (x-low)&^x | (y-low)&^y | (z-low)&^z
	}
	for _, c := range b {
		if c < ' ' {
			return false
		}
	}
	return control&high == 0
}

// shape is the layout of a JSON text: what stays the same, and between it the values
// that differ: texts and whole numbers.
type shape struct {
	fixed   []string // one more than there are values: value i comes after fixed[i]
	numbers []bool   // whether value i is a number
	places  []string // of value i

	first  []string // the values of the text that it was taken of
	varies []bool   // whether value i has ever been another one
	narrow *shape   // the same, with the values that never vary as part of what is fixed
}

// place names a value by the keys and positions that lead to it.
func place(path ...string) string { return strings.Join(path, "\x00") }

func (s *shape) at(place string) int { return slices.Index(s.places, place) }

func (s *shape) has(places ...string) bool {
	return !slices.ContainsFunc(places, func(p string) bool { return s.at(p) < 0 })
}

// match returns the values of a plain text of this shape; nil for another one. Whatever
// it returns values of is valid JSON, since the shape was taken from such.
func (s *shape) match(text string, values []string) []string {
	values = values[:0]
	for i, f := range s.fixed {
		rest, ok := strings.CutPrefix(text, f)
		if !ok {
			return nil
		}
		if i == len(s.numbers) {
			if rest != "" {
				return nil
			}
			return values
		}
		n := strings.IndexByte(rest, '"')
		if s.numbers[i] {
			n = digits(rest)
		}
		if n < 0 || s.numbers[i] && (n == 0 || n > 1 && rest[0] == '0') {
			return nil
		}
		values = append(values, rest[:n])
		text = rest[n:]
	}
	return nil
}

func digits(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}

// shapeOf takes the shape of a plain text that is valid JSON. It has none where a key is
// there twice, since readers do not agree on which of them counts.
func shapeOf(text string) (*shape, bool) {
	s := &shape{}
	var (
		path  []string // the keys and positions of the containers that are open
		next  []int    // of each: the next position in an array, or -1 for an object
		keys  []string
		start int // of the fixed text
	)
	value := func(from, to int, number bool) {
		if at := place(path...); at == placeType || at == placeZip {
			return
		}
		s.fixed, s.numbers, s.places = append(s.fixed, text[start:from]), append(s.numbers, number), append(s.places, place(path...))
		start = to
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '{':
			path, next = append(path, ""), append(next, -1)
		case c == '[':
			path, next = append(path, "0"), append(next, 1)
		case c == '}' || c == ']':
			path, next = path[:len(path)-1], next[:len(next)-1]
		case c == ',' && next[len(next)-1] > 0:
			path[len(path)-1] = strconv.Itoa(next[len(next)-1])
			next[len(next)-1]++
		case c == '"':
			end := i + 1 + strings.IndexByte(text[i+1:], '"')
			if strings.HasPrefix(strings.TrimLeft(text[end+1:], " "), ":") {
				path[len(path)-1] = text[i+1 : end]
				keys = append(keys, place(path...))
			} else {
				value(i+1, end, false)
			}
			i = end
		case '0' <= c && c <= '9' || c == '-':
			n := strings.IndexAny(text[i:], ",]} ")
			if n < 0 {
				n = len(text) - i
			}
			if digits(text[i:i+n]) == n {
				value(i, i+n, true)
			}
			i += n - 1
		}
	}
	s.fixed = append(s.fixed, text[start:])
	s.varies = make([]bool, len(s.places))
	s.first = s.match(text, nil)
	slices.Sort(keys)
	return s, len(slices.Compact(slices.Clone(keys))) == len(keys)
}

// shapes are those that were met lately, the last one first.
type shapes struct{ known []*shape }

// knownShapes bounds them: a queue has few kinds of tasks and of programs that send them.
const knownShapes = 8

func (l *shapes) add(s *shape) {
	l.known = slices.Insert(l.known, 0, s)
	l.known = l.known[:min(len(l.known), knownShapes)]
}

// match finds the shape of a text, and puts its values into values.
func (l *shapes) match(text string, values *[]string) (*shape, bool) {
	for i, s := range l.known {
		found := s.find(text, values)
		if found == nil {
			continue
		}
		copy(l.known[1:i+1], l.known[:i])
		l.known[0] = s
		return found, true
	}
	return nil, false
}

// find is match with the narrow shape, where it fits: the fewer values, the less work.
func (s *shape) find(text string, values *[]string) *shape {
	if s.narrow != nil {
		if v := s.narrow.match(text, *values); v != nil {
			*values = v
			return s.narrow
		}
	}
	if *values = s.match(text, *values); *values == nil {
		return nil
	}
	for i, v := range *values {
		if !s.varies[i] && v != s.first[i] {
			s.varies[i], s.narrow = true, nil
		}
	}
	if s.narrow == nil {
		s.narrow = s.narrowed()
	}
	return s
}

// narrowed is the shape without the values that never vary and that nobody reads.
func (s *shape) narrowed() *shape {
	n := &shape{}
	fixed := s.fixed[0]
	for i, p := range s.places {
		if s.varies[i] || slices.Contains(placesRead, p) {
			n.fixed, n.numbers, n.places = append(n.fixed, fixed), append(n.numbers, s.numbers[i]), append(n.places, p)
			fixed = ""
		} else {
			fixed += s.first[i]
		}
		fixed += s.fixed[i+1]
	}
	n.fixed = append(n.fixed, fixed)
	return n
}

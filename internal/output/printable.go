package output

import (
	"strings"
	"unicode"
)

// control says whether r is no text: it acts on a terminal, breaks a line, or no format
// takes it as it is.
func control(r rune) bool {
	return unicode.IsControl(r) || r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0xfffe || r == 0xffff
}

// Printable drops what XML 1.0 and terminals cannot take: names of keys and rows may hold
// control characters, and those that turn the direction of text.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0xfffe || r == 0xffff,
			r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return '�'
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
}

// OneLine is Printable, in one line.
func OneLine(s string) string {
	return strings.NewReplacer("\n", " ", "\t", " ").Replace(Printable(s))
}

package output

import "strings"

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

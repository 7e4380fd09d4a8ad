package notify

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// titleLimit is what every service takes as a title, in bytes.
const titleLimit = 250

// shorten cuts a text to a number of bytes, between two lines, and says how many are left
// out: services refuse what is too long. 0 is no limit.
func shorten(text string, limit int) string {
	if limit <= 0 || len(text) <= limit {
		return text
	}
	lines := strings.Split(text, "\n")
	room := limit - len(more(len(lines)))
	n, size := 0, 0
	for n < len(lines) && size+len(lines[n])+1 <= room {
		size += len(lines[n]) + 1
		n++
	}
	kept := strings.Join(lines[:n], "\n")
	if n == 0 {
		kept, n = clip(lines[0], room), 1
	}
	if n == len(lines) {
		return kept
	}
	return kept + more(len(lines)-n)
}

func more(lines int) string { return fmt.Sprintf("\n… and %d more lines", lines) }

// clip cuts one line to a number of bytes, between two characters.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end := max(0, limit-len("…"))
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

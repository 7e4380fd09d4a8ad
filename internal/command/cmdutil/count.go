package cmdutil

import "strconv"

// Count writes a number for a table.
func Count(n int64) string { return strconv.FormatInt(n, 10) }

// Plural writes a number with the word for it.
func Plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

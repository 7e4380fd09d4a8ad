package cmdutil

import "strconv"

// Count writes a number for a table.
func Count(n int64) string { return strconv.FormatInt(n, 10) }

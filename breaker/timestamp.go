package breaker

import (
	"fmt"
	"strings"
	"time"
)

// FormatTimestamp writes t as the app's datetime.utcnow().isoformat() does: naive
// UTC, microseconds, and no fraction at all when they are zero.
func FormatTimestamp(t time.Time) string {
	t = t.UTC().Truncate(time.Microsecond)
	if t.Nanosecond() == 0 {
		return t.Format("2006-01-02T15:04:05")
	}
	return t.Format("2006-01-02T15:04:05.000000")
}

// ParseTimestamp reads what Python's isoformat and its relatives print: with a
// "T" or a space, with or without a fraction, naive (taken as UTC) or with Z or
// an offset of hours and minutes. The result is UTC, cut to microseconds. The
// scripts know the same grammar.
func ParseTimestamp(s string) (time.Time, error) {
	const date = "2006-01-02T15:04:05"
	bad := fmt.Errorf("timestamp %q is not an ISO 8601 time", clip(s, 64))
	if len(s) < len(date) || s[10] != 'T' && s[10] != ' ' {
		return time.Time{}, bad
	}
	t, err := time.Parse(date, s[:10]+"T"+s[11:len(date)])
	if err != nil || t.Year() < 1 {
		return time.Time{}, bad
	}
	fraction, zone := splitFraction(s[len(date):])
	offset, ok := parseZone(zone)
	if fraction == "." || !ok {
		return time.Time{}, bad
	}
	for i, unit := 1, 100*time.Millisecond; i < len(fraction) && unit >= time.Microsecond; i, unit = i+1, unit/10 {
		t = t.Add(time.Duration(fraction[i]-'0') * unit)
	}
	t = t.Add(-offset)
	if y := t.Year(); y < 1 || y > 9999 {
		return time.Time{}, bad
	}
	return t, nil
}

// splitFraction cuts ".123+01:00" into ".123" and "+01:00".
func splitFraction(s string) (fraction, zone string) {
	if !strings.HasPrefix(s, ".") {
		return "", s
	}
	zone = strings.TrimLeft(s[1:], "0123456789")
	return s[:len(s)-len(zone)], zone
}

// parseZone reads "", Z, or an offset such as +01:00.
func parseZone(s string) (time.Duration, bool) {
	if s == "" || s == "Z" || s == "z" {
		return 0, true
	}
	t, err := time.Parse("15:04", s[1:])
	if len(s) != len("+01:00") || s[0] != '+' && s[0] != '-' || err != nil {
		return 0, false
	}
	offset := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
	if s[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// lenient is ParseTimestamp for what a script has accepted: zero where it is not a time.
func lenient(s string) time.Time {
	t, err := ParseTimestamp(s)
	if err != nil {
		return time.Time{}
	}
	return t
}

// clip shortens s to at most n bytes of valid UTF-8.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

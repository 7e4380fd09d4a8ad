package state

import "strings"

// Family is one of the four kinds of key that the old format had per service.
type Family string

// The families, each named as the part of the key before the colon.
const (
	Circuit   Family = "circuit_breaker"  // string, JSON: the service's circuit
	Failures  Family = "circuit_failures" // sorted set: recent failures, scored by unix seconds
	Successes Family = "circuit_success"  // string, integer: successes seen while half open
	Pause     Family = "queue_paused"     // string, JSON: the service's jobs are paused
)

// Families lists all families, in the order in which keys are reported.
var Families = []Family{Circuit, Failures, Successes, Pause}

// globalName is what looks like a service in the name of the new global key.
const globalName = "global"

// scanPattern is one glob that every family's names match and few others do.
// What it lets through is looked at again with ParseName.
const scanPattern = "[cq][iu][re][cu][ue]*_*:*"

// Key is the family's key of a service.
func (f Family) Key(service string) string { return string(f) + ":" + service }

// redisType is the type that the app gives the family's keys.
func (f Family) redisType() string {
	if f == Failures {
		return "zset"
	}
	return "string"
}

// ParseName takes the name of a key apart. ok is false for a name of another
// kind: the global key and its companions, a name with a further colon, and a
// service in other characters than small letters, digits, "_" and "-".
func ParseName(key string) (f Family, service string, ok bool) {
	f, service, ok = splitName(key)
	return f, service, ok && ValidService(service)
}

// splitName finds the family that a name begins with; the rest may be anything.
func splitName(key string) (Family, string, bool) {
	prefix, rest, ok := strings.Cut(key, ":")
	if !ok {
		return "", "", false
	}
	for _, f := range Families {
		if prefix == string(f) {
			return f, rest, true
		}
	}
	return "", "", false
}

// ValidService says whether name is a plain service name. "global" is not: its
// circuit is the new key.
func ValidService(name string) bool {
	if name == "" || len(name) > 128 || name == globalName {
		return false
	}
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

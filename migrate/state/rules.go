package state

import "fmt"

// Rules are the choices that the operator has in what old keys mean.
type Rules struct {
	// HalfOpen is what a half-open circuit becomes: "open", the default, since
	// nobody has confirmed recovery; or "closed".
	HalfOpen string
	// Malformed is what to do with a key that fits by name and not by type or
	// value: "" refuses the migration, "open" takes it as an open circuit, and
	// "skip" leaves the key alone.
	Malformed string
	// Prefer decides a conflict between the old keys and an existing global key:
	// "" refuses the migration, "old" and "global" name the one that wins.
	Prefer string
}

// The values of the rules.
const (
	AsOpen       = "open"
	AsClosed     = "closed"
	Skip         = "skip"
	PreferOld    = "old"
	PreferGlobal = "global"
)

// Validate reports an unknown value.
func (r Rules) Validate() error {
	switch r.HalfOpen {
	case "", AsOpen, AsClosed:
	default:
		return fmt.Errorf("half-open circuits become open or closed, not %q", r.HalfOpen)
	}
	switch r.Malformed {
	case "", AsOpen, Skip:
	default:
		return fmt.Errorf("malformed keys are taken as open or skipped (open, skip), not %q", r.Malformed)
	}
	switch r.Prefer {
	case "", PreferOld, PreferGlobal:
	default:
		return fmt.Errorf("a conflict is decided for old or global, not %q", r.Prefer)
	}
	return nil
}

// Package exit gives every failure of the command line its exit code.
//
// Domain packages return plain, typed or sentinel errors; a command wraps them
// with one of the constructors below, and main asks Code for the number.
package exit

import (
	"context"
	"errors"
	"fmt"
)

// Exit codes of leadgenctl, documented in the README.
const (
	OK          = 0   // done, or nothing found
	Findings    = 1   // findings, or a check failed
	Usage       = 2   // usage or configuration
	Unreachable = 3   // a dependency cannot be reached
	Refused     = 4   // a gate, a conflict, a lock held elsewhere
	Partial     = 5   // done in part
	Interrupted = 130 // Ctrl-C
)

// Error is a failure with its exit code and, where there is one, the next step.
type Error struct {
	Code int    // one of the constants above
	Err  error  // what failed, on what, and why; nil where the output has said it all
	Hint string // what to do next; may be empty
}

func (e *Error) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Silent ends the command with a code and prints nothing more.
func Silent(code int) error { return &Error{Code: code} }

// Usagef reports bad flags, arguments or configuration.
func Usagef(format string, a ...any) error {
	return &Error{Code: Usage, Err: fmt.Errorf(format, a...)}
}

// Unreachablef reports a dependency that cannot be reached or used.
func Unreachablef(format string, a ...any) error {
	return &Error{Code: Unreachable, Err: fmt.Errorf(format, a...)}
}

// Refusedf reports a gate, a conflict or a lock held elsewhere.
func Refusedf(format string, a ...any) error {
	return &Error{Code: Refused, Err: fmt.Errorf(format, a...)}
}

// Partialf reports work that was done in part and can be continued.
func Partialf(format string, a ...any) error {
	return &Error{Code: Partial, Err: fmt.Errorf(format, a...)}
}

// WithHint adds what to do next to err, and keeps its code.
func WithHint(err error, format string, a ...any) error {
	return &Error{Code: Code(err), Err: err, Hint: fmt.Sprintf(format, a...)}
}

// Hint returns the outermost hint of err, or "".
func Hint(err error) string {
	for e := (*Error)(nil); errors.As(err, &e); err = e.Err {
		if e.Hint != "" {
			return e.Hint
		}
	}
	return ""
}

// Code returns the exit code for err: OK for nil, Interrupted for a cancelled
// context, Findings (1) for an error that no one classified.
func Code(err error) int {
	var e *Error
	switch {
	case err == nil:
		return OK
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, context.Canceled):
		return Interrupted
	default:
		return Findings
	}
}

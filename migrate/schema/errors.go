package schema

import (
	"fmt"
	"strings"
)

// UnknownTargetError is a target that names no migration.
type UnknownTargetError struct {
	Target string
	Known  []string
}

func (e *UnknownTargetError) Error() string {
	return fmt.Sprintf("there is no migration %q; known are: %s", e.Target, strings.Join(e.Known, ", "))
}

// LockedError says that another session is migrating this database.
type LockedError struct {
	Holder string // pid, user and address of the session, as far as this role may see it
}

func (e *LockedError) Error() string {
	return "another session is migrating this database: " + e.Holder
}

// DirtyError says that a migration was interrupted and is neither applied nor
// undone as far as can be seen.
type DirtyError struct {
	Migration string
	Reason    string
}

func (e *DirtyError) Error() string {
	return fmt.Sprintf("migration %s was interrupted: %s", e.Migration, e.Reason)
}

// RefusedError is what a migration's own gate raised: it looked, in its
// transaction, and changed nothing.
type RefusedError struct {
	Migration string
	Message   string
	Hint      string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("migration %s refused: %s", e.Migration, e.Message)
}

// BlockedError says that a lock could not be had within the deadline.
type BlockedError struct {
	Migration string
	Tries     int
	Blockers  []string // sessions that held the lock at the last try
}

func (e *BlockedError) Error() string {
	by := "a session that this role may not see"
	if len(e.Blockers) > 0 {
		by = strings.Join(e.Blockers, "; ")
	}
	return fmt.Sprintf("migration %s: no lock after %d tries; blocked by %s", e.Migration, e.Tries, by)
}

// RevisionError says that the platform's Alembic revision is none that this
// leadgenctl was made for.
type RevisionError struct {
	Revision string // "" where alembic_version is missing or empty
	Known    []string
}

func (e *RevisionError) Error() string {
	if e.Revision == "" {
		return "this database has no Alembic revision: is it the platform's?"
	}
	return fmt.Sprintf("the platform's Alembic revision %s is unknown; known are: %s", e.Revision, strings.Join(e.Known, ", "))
}

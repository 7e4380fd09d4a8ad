package queue

import (
	"bytes"
	"crypto/sha256"
	"strings"

	"github.com/google/uuid"
)

// taskID is a Celery task id in few bytes, without a pointer: there may be a million of
// them in memory. It is the UUID itself, or the digest of any other text.
type taskID [16]byte

func taskIDOf(s string) taskID {
	id, _ := parseTaskID(s)
	return id
}

// parseTaskID also says whether the id is a UUID in its usual spelling.
func parseTaskID(s string) (taskID, bool) {
	if len(s) == 36 {
		if u, err := uuid.Parse(s); err == nil && u.String() == s {
			return taskID(u), true
		}
	}
	sum := sha256.Sum256([]byte(s))
	return taskID(sum[:16]), false
}

func (id taskID) compare(other taskID) int { return bytes.Compare(id[:], other[:]) }

// taskTexts are the ids that are no UUIDs.
type taskTexts map[taskID]string

// add returns the id, and remembers its text where that is needed.
func (t taskTexts) add(s string) taskID {
	id, ok := parseTaskID(s)
	if _, known := t[id]; !ok && !known {
		t[id] = strings.Clone(s) // else it would keep the message that it is part of
	}
	return id
}

func (t taskTexts) text(id taskID) string {
	if s, ok := t[id]; ok {
		return s
	}
	return uuid.UUID(id).String()
}

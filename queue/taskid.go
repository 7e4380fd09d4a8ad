package queue

import "github.com/google/uuid"

// taskID is a Celery task id in few bytes: ids are UUIDs, and there may be a
// million of them in memory. Anything else is kept as text.
type taskID struct {
	uuid [16]byte
	text string // set where the id is no UUID in its usual spelling
}

func taskIDOf(s string) taskID {
	if len(s) == 36 {
		if u, err := uuid.Parse(s); err == nil && u.String() == s {
			return taskID{uuid: u}
		}
	}
	return taskID{text: s}
}

func (id taskID) String() string {
	if id.text != "" {
		return id.text
	}
	return uuid.UUID(id.uuid).String()
}

func (id taskID) compare(other taskID) int {
	for i := range id.uuid {
		if d := int(id.uuid[i]) - int(other.uuid[i]); d != 0 {
			return d
		}
	}
	switch {
	case id.text < other.text:
		return -1
	case id.text > other.text:
		return 1
	}
	return 0
}

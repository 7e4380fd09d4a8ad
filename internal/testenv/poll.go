package testenv

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// Eventually asks until check succeeds, and fails the test with its last error
// when limit has passed.
func Eventually(t testing.TB, limit time.Duration, check func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not so after %v: %v", limit, err)
		}
		time.Sleep(20 * time.Millisecond) // the pace of polling, not a hope
	}
}

// Expect runs a query that returns one boolean and makes anything but true an error.
func (db *Database) Expect(query string, args ...any) error {
	var ok bool
	if err := db.Pool.QueryRow(context.Background(), query, args...).Scan(&ok); err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	if !ok {
		return fmt.Errorf("does not hold: %s", query)
	}
	return nil
}

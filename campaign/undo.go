package campaign

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrNoChange is returned for a change that is not in leadgenctl.campaign_changes.
var ErrNoChange = errors.New("no such change of campaigns")

// ErrPausedGone is returned when campaigns cannot become PAUSED again, since the
// enumeration's value or the gate keeps them from it. Nothing was changed.
var ErrPausedGone = errors.New("the database no longer takes PAUSED for a campaign")

// Latest stands for the newest change that is not undone.
const Latest = "latest"

// UndoOptions say which change is undone.
type UndoOptions struct {
	ChangeID string // of a Resolution; Latest, or "", for the newest that is not undone
	Actor    string // who does it, for the records
	DryRun   bool   // change nothing: return what would change
}

// Undone is one campaign of a change.
type Undone struct {
	ID       string  `json:"id"`
	Name     *string `json:"name"`     // nil where the campaign was deleted
	From     Status  `json:"from"`     // its status now
	To       Status  `json:"to"`       // what it had before the change
	Restored bool    `json:"restored"` // it has, or on a dry run would get, its old values
	Why      string  `json:"why,omitempty"`
}

// Undoing is what Undo did.
type Undoing struct {
	ChangeID  string   `json:"change_id,omitempty"` // empty where there was nothing to undo
	Restored  int      `json:"restored"`
	Changed   int      `json:"changed_since"` // left as they are, since someone changed them
	Campaigns []Undone `json:"campaigns"`
}

// Undo gives the campaigns of a change back exactly the values that they had. Those
// which anyone has changed since are left and reported. One transaction; run again,
// it finds nothing to do. ErrNoChange, ErrPausedGone.
func (m *Manager) Undo(ctx context.Context, o UndoOptions) (Undoing, error) {
	var u Undoing
	err := pgx.BeginFunc(ctx, m.pool, func(tx pgx.Tx) error {
		id, err := findChange(ctx, tx, o.ChangeID)
		if err != nil || id == "" {
			return err
		}
		u.ChangeID = id
		if u.Campaigns, err = lockChanged(ctx, tx, id); err != nil {
			return err
		}
		for _, c := range u.Campaigns {
			if c.Restored {
				u.Restored++
			} else {
				u.Changed++
			}
		}
		if o.DryRun || u.Restored == 0 {
			return nil
		}
		return restore(ctx, tx, id, o.Actor)
	})
	if pausedRefused(err) {
		err = fmt.Errorf("%w: %w", ErrPausedGone, err)
	}
	if err != nil {
		return Undoing{}, fmt.Errorf("undo the change of campaigns: %w", err)
	}
	return u, nil
}

// findChange returns "" where the change is there, and undone.
func findChange(ctx context.Context, tx pgx.Tx, id string) (string, error) {
	if id == "" || id == Latest {
		var found *string
		err := tx.QueryRow(ctx, `SELECT max(change_id) FROM leadgenctl.campaign_changes WHERE undone_at IS NULL`).Scan(&found)
		if err != nil || found == nil {
			return "", err
		}
		return *found, nil
	}
	var open *bool
	err := tx.QueryRow(ctx, `SELECT bool_or(undone_at IS NULL) FROM leadgenctl.campaign_changes WHERE change_id = $1`, id).Scan(&open)
	switch {
	case err != nil:
		return "", err
	case open == nil:
		return "", fmt.Errorf("%q: %w", id, ErrNoChange)
	case !*open:
		return "", nil
	}
	return id, nil
}

// untouched says of a campaign c and its change h that c is as the change left it.
const untouched = `(c.status::text, c.status_message, c.status_error, c.updated_at, c.completed_at, c.failed_at)
	IS NOT DISTINCT FROM (h.new_status, h.new_status_message, h.new_status_error, h.changed_at, h.new_completed_at, h.new_failed_at)`

func lockChanged(ctx context.Context, tx pgx.Tx, id string) ([]Undone, error) {
	_, err := tx.Exec(ctx, `SELECT c.id FROM campaigns c WHERE c.id IN
		(SELECT campaign_id FROM leadgenctl.campaign_changes WHERE change_id = $1 AND undone_at IS NULL) ORDER BY c.id FOR UPDATE`, id)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `SELECT h.campaign_id, c.name, coalesce(c.status::text, ''), h.old_status, c.id IS NOT NULL AND `+untouched+`
		FROM leadgenctl.campaign_changes h LEFT JOIN campaigns c ON c.id = h.campaign_id
		WHERE h.change_id = $1 AND h.undone_at IS NULL ORDER BY h.campaign_id`, id)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Undone, error) {
		var u Undone
		err := row.Scan(&u.ID, &u.Name, &u.From, &u.To, &u.Restored)
		switch {
		case u.Name == nil:
			u.Why = "the campaign was deleted"
		case !u.Restored:
			u.Why = "the campaign was changed since"
		}
		return u, err
	})
}

func restore(ctx context.Context, tx pgx.Tx, id, actor string) error {
	_, err := tx.Exec(ctx, `WITH back AS (
			UPDATE campaigns c SET status = h.old_status::campaignstatus, status_message = h.old_status_message,
				status_error = h.old_status_error, updated_at = h.old_updated_at, completed_at = h.old_completed_at, failed_at = h.old_failed_at
			FROM leadgenctl.campaign_changes h
			WHERE h.change_id = $1 AND h.undone_at IS NULL AND c.id = h.campaign_id AND `+untouched+` RETURNING c.id)
		UPDATE leadgenctl.campaign_changes h SET undone_at = now(), undone_by = $2
		FROM back WHERE h.change_id = $1 AND h.campaign_id = back.id`, id, actor)
	return err
}

// pausedRefused: the enumeration has no such value, or the gate refuses it.
func pausedRefused(err error) bool {
	var pe *pgconn.PgError
	return errors.As(err, &pe) && (pe.Code == "22P02" || pe.Code == "23514")
}

package campaign

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ResolveOptions say where paused campaigns go.
type ResolveOptions struct {
	To     Status // one of Targets; Running by default
	Actor  string // who does it, for the records
	DryRun bool   // change nothing: return what would change
}

// Change is one campaign that was moved, or would be.
type Change struct {
	Campaign
	From             Status  `json:"from"`
	To               Status  `json:"to"`
	NewStatusMessage *string `json:"new_status_message"`
}

// Resolution is what ResolvePaused did.
type Resolution struct {
	ChangeID  string   `json:"change_id,omitempty"` // what Undo takes; empty where nothing changed
	To        Status   `json:"to"`
	Campaigns []Change `json:"campaigns"`
}

// TargetError says that a paused campaign cannot be moved to a status.
type TargetError struct{ To Status }

func (e *TargetError) Error() string {
	return fmt.Sprintf("a paused campaign cannot become %q; it can become %s", string(e.To), joined(Targets))
}

func joined(statuses []Status) string {
	names := make([]string, len(statuses))
	for i, s := range statuses {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

// ResolvePaused moves every paused campaign to another status in one transaction,
// which locks their rows and remembers their old values in leadgenctl.campaign_changes.
// A *TargetError for a status that is no target. Run again, it finds nothing to do.
func (m *Manager) ResolvePaused(ctx context.Context, o ResolveOptions) (Resolution, error) {
	if o.To == "" {
		o.To = Targets[0]
	}
	if !slices.Contains(Targets, o.To) {
		return Resolution{}, &TargetError{o.To}
	}
	if o.Actor == "" {
		o.Actor = "unknown"
	}
	r := Resolution{To: o.To}
	var err error
	if o.DryRun {
		r.Campaigns, err = planned(ctx, m.pool, o)
	} else {
		r.ChangeID = newChangeID(time.Now())
		err = pgx.BeginFunc(ctx, m.pool, func(tx pgx.Tx) error {
			r.Campaigns, err = resolve(ctx, tx, r.ChangeID, o)
			return err
		})
	}
	if err != nil {
		return Resolution{}, fmt.Errorf("move paused campaigns to %s: %w", o.To, err)
	}
	if len(r.Campaigns) == 0 {
		r.ChangeID = ""
	}
	return r, nil
}

// afterwards are the columns of a campaign c once it has been moved to $2 by $3. A
// campaign that goes on shows no error and no end; one that failed says why.
const afterwards = `$2::text AS new_status,
	CASE $2::text WHEN 'RUNNING' THEN 'Running again: campaigns no longer pause (set by ' || $3::text || ')'
		WHEN 'CREATED' THEN 'Back to the start: campaigns no longer pause (set by ' || $3::text || ')'
		ELSE 'Failed: was PAUSED, a status that no longer exists (set by ' || $3::text || ')' END AS new_status_message,
	CASE WHEN $2::text = 'FAILED' THEN coalesce(c.status_error, c.status_message, 'The campaign was PAUSED') END AS new_status_error,
	NULL::timestamptz AS new_completed_at,
	CASE WHEN $2::text = 'FAILED' THEN now() END AS new_failed_at`

// resolve needs three statements, since each must see what the one before it locked.
func resolve(ctx context.Context, tx pgx.Tx, id string, o ResolveOptions) ([]Change, error) {
	tag, err := tx.Exec(ctx, `INSERT INTO leadgenctl.campaign_changes (campaign_id, old_status, old_status_message, old_status_error,
			old_updated_at, old_completed_at, old_failed_at, change_id, changed_at, actor,
			new_status, new_status_message, new_status_error, new_completed_at, new_failed_at)
		SELECT c.id, c.status::text, c.status_message, c.status_error, c.updated_at, c.completed_at, c.failed_at,
			$4::text, now(), $3::text, `+afterwards+`
		FROM (SELECT * FROM campaigns WHERE status::text = ANY ($1) ORDER BY id FOR UPDATE) c`, pausedLabels, string(o.To), o.Actor, id)
	if err != nil || tag.RowsAffected() == 0 {
		return nil, err
	}
	_, err = tx.Exec(ctx, `UPDATE campaigns c SET status = h.new_status::campaignstatus, status_message = h.new_status_message,
			status_error = h.new_status_error, completed_at = h.new_completed_at, failed_at = h.new_failed_at, updated_at = h.changed_at
		FROM leadgenctl.campaign_changes h WHERE h.change_id = $1 AND c.id = h.campaign_id`, id)
	if err != nil {
		return nil, err
	}
	return changes(ctx, tx, `SELECT c.id, c.name, c.organization_id, h.old_updated_at, h.old_status_message, h.old_status, h.new_status, h.new_status_message
		FROM leadgenctl.campaign_changes h JOIN campaigns c ON c.id = h.campaign_id
		WHERE h.change_id = $1 ORDER BY h.old_updated_at, c.id`, id)
}

func planned(ctx context.Context, q querier, o ResolveOptions) ([]Change, error) {
	return changes(ctx, q, `SELECT id, name, organization_id, updated_at, status_message, status, new_status, new_status_message
		FROM (SELECT c.id, c.name, c.organization_id, c.updated_at, c.status_message, c.status::text AS status, `+afterwards+`
			FROM campaigns c WHERE c.status::text = ANY ($1)) p ORDER BY updated_at, id`, pausedLabels, string(o.To), o.Actor)
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func changes(ctx context.Context, q querier, sql string, args ...any) ([]Change, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Change, error) {
		var c Change
		err := row.Scan(&c.ID, &c.Name, &c.OrganizationID, &c.UpdatedAt, &c.StatusMessage, &c.From, &c.To, &c.NewStatusMessage)
		c.UpdatedAt = c.UpdatedAt.UTC()
		return c, err
	})
}

// newChangeID is unique and sorts by time.
func newChangeID(at time.Time) string {
	return strings.Replace(at.UTC().Format("20060102t150405.000z"), ".", "", 1) + "-" + uuid.NewString()[:8]
}

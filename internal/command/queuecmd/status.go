package queuecmd

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/breaker"
	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/queue"
)

type statusView struct {
	Breaker       breaker.State `json:"breaker"`
	Epoch         int64         `json:"epoch"`
	Jobs          []countView   `json:"jobs"`
	PausedSince   *time.Time    `json:"paused_since"`
	OutboxPending int64         `json:"outbox_pending"`
	OldestPending *time.Time    `json:"oldest_pending"`
	Broker        *brokerView   `json:"broker"` // null where it cannot be reached
	BrokerError   string        `json:"broker_error,omitempty"`
}

type countView struct {
	Status queue.Status  `json:"status"`
	Type   queue.JobType `json:"job_type"`
	Jobs   int64         `json:"jobs"`
	Oldest *time.Time    `json:"oldest"`
}

type brokerView struct {
	Queued   int64  `json:"queued"`
	Reserved *int64 `json:"reserved"` // null where the broker does not tell
}

func newStatus(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Show the jobs by status and type, the outbox and the broker's depth",
		Example: "  leadgenctl queue status\n  leadgenctl queue status -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, _, done, err := connect(cmd.Context(), f)
			if err != nil {
				return err
			}
			defer done()
			return showStatus(cmd.Context(), f, m)
		},
	}
}

func showStatus(ctx context.Context, f *cmdutil.Factory, m *queue.Manager) error {
	s, err := m.Status(ctx)
	if err != nil {
		return cmdutil.ExplainQueue(err)
	}
	v := statusView{Breaker: s.Breaker.State, Epoch: s.Breaker.Epoch, Jobs: []countView{}, OutboxPending: s.OutboxPending, PausedSince: moment(s.PausedSince)}
	for _, c := range s.Counts {
		v.Jobs = append(v.Jobs, countView{c.Status, c.Type, c.Jobs, moment(c.Oldest)})
		if c.Status == queue.Pending && !c.Oldest.IsZero() && (v.OldestPending == nil || c.Oldest.Before(*v.OldestPending)) {
			v.OldestPending = moment(c.Oldest)
		}
	}
	if s.BrokerErr == nil {
		v.Broker = &brokerView{Queued: s.Queued}
		if s.Reserved >= 0 {
			v.Broker.Reserved = &s.Reserved
		}
	} else if !errors.Is(s.BrokerErr, queue.ErrNoBroker) {
		v.BrokerError = cmdutil.Explain(s.BrokerErr).Error()
	}
	warn(f, s.Findings)
	if err := f.Print(v, func(w io.Writer) error { return statusText(f, w, v) }); err != nil {
		return err
	}
	if v.BrokerError != "" {
		return exit.Partialf("the broker cannot be reached: %s", v.BrokerError)
	}
	return nil
}

func statusText(f *cmdutil.Factory, w io.Writer, v statusView) error {
	rows := make([][]string, len(v.Jobs))
	for i, c := range v.Jobs {
		rows[i] = []string{string(c.Status), string(c.Type), cmdutil.Count(c.Jobs), when(c.Oldest)}
	}
	if err := f.Table(w, []string{"status", "type", "jobs", "oldest"}, rows); err != nil {
		return err
	}
	queued, reserved := "unknown", "unknown"
	if v.Broker != nil {
		queued = cmdutil.Count(v.Broker.Queued)
		if v.Broker.Reserved != nil {
			reserved = cmdutil.Count(*v.Broker.Reserved)
		}
	}
	return f.Fields(w, [2]string{"Breaker", string(v.Breaker)}, [2]string{"Paused since", when(v.PausedSince)},
		[2]string{"Outbox pending", cmdutil.Count(v.OutboxPending)}, [2]string{"Queued on the broker", queued},
		[2]string{"Reserved by workers", reserved})
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func when(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return cmdutil.Time(*t)
}

package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"time"

	"github.com/leadgenctl/leadgenctl/internal/consistency/render"
	"github.com/leadgenctl/leadgenctl/internal/output"
)

const successMetric = "leadgenctl_audit_last_success_timestamp_seconds"

// writeTextfile writes the report for node_exporter's textfile collector, whole or not
// at all, with the times of the last run and of the last one in which every check ran.
func (o *Options) writeTextfile(ctx context.Context, out *Outcome) error {
	success := out.Run.FinishedAt
	if out.Run.Errors > 0 {
		success = o.lastSuccess(ctx, out.Stored)
	}
	var b bytes.Buffer
	if err := render.Write(&b, "prometheus", out.Report, render.Options{FailOn: o.FailOn}); err != nil {
		return err
	}
	for _, m := range []struct {
		name, help string
		at         time.Time
	}{
		{"leadgenctl_audit_last_run_timestamp_seconds", "When an audit last ended.", out.Run.FinishedAt},
		{successMetric, "When an audit last ended in which every check could run; 0 for never.", success},
	} {
		seconds := int64(0)
		if !m.at.IsZero() {
			seconds = m.at.Unix()
		}
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %[1]s gauge\n%[1]s %[3]d\n", m.name, m.help, seconds)
	}
	// node_exporter is another user.
	if err := output.WriteFileMode(o.Textfile, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the textfile: %w", err)
	}
	return nil
}

// lastSuccess asks PostgreSQL; where that is away, the textfile of the audit before.
func (o *Options) lastSuccess(ctx context.Context, stored bool) time.Time {
	if stored {
		at, err := lastSuccess(ctx, o.Pool)
		o.warn(err)
		return at
	}
	data, err := os.ReadFile(o.Textfile)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			o.warn(fmt.Errorf("read the last textfile: %w", err))
		}
		return time.Time{}
	}
	var seconds int64
	if m := regexp.MustCompile(`(?m)^` + successMetric + ` (\d+)$`).FindSubmatch(data); m != nil {
		_, _ = fmt.Sscan(string(m[1]), &seconds)
	}
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

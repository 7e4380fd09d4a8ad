package render

import (
	"io"
	"strings"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
)

// prometheus writes the text exposition format, without timestamps: node_exporter
// leaves out every file that has one.
func prometheus(w io.Writer, r *consistency.Report, _ Options) error {
	p := &printer{w: w}
	p.line("# HELP leadgenctl_check_findings Rows or keys that a check found, without those of the baseline.")
	p.line("# TYPE leadgenctl_check_findings gauge")
	for _, c := range r.Checks {
		if c.Status == consistency.Pass || c.Status == consistency.Fail {
			p.line("leadgenctl_check_findings{check=%s,family=%s,severity=%s} %d", label(c.ID), label(string(c.Family)), label(string(c.Severity)), max(0, c.Count-c.Known))
		}
	}
	p.line("# HELP leadgenctl_check_error Whether a check could not run.")
	p.line("# TYPE leadgenctl_check_error gauge")
	for _, c := range r.Checks {
		if c.Status != consistency.Skip {
			p.line("leadgenctl_check_error{check=%s,family=%s} %d", label(c.ID), label(string(c.Family)), oneIf(c.Status == consistency.Errored))
		}
	}
	p.line("# HELP leadgenctl_check_duration_seconds How long a check took.")
	p.line("# TYPE leadgenctl_check_duration_seconds gauge")
	for _, c := range r.Checks {
		if c.Status != consistency.Skip {
			p.line("leadgenctl_check_duration_seconds{check=%s,family=%s} %g", label(c.ID), label(string(c.Family)), c.DurationMS/1000)
		}
	}
	p.line("# HELP leadgenctl_check_last_run_timestamp_seconds When the checks last ran.")
	p.line("# TYPE leadgenctl_check_last_run_timestamp_seconds gauge")
	p.line("leadgenctl_check_last_run_timestamp_seconds %d", r.StartedAt.Unix())
	p.line("# HELP leadgenctl_check_last_run_success Whether every check could run.")
	p.line("# TYPE leadgenctl_check_last_run_success gauge")
	p.line("leadgenctl_check_last_run_success %d", oneIf(r.Summary.Error == 0))
	return p.err
}

func label(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(s) + `"`
}

func oneIf(b bool) int {
	if b {
		return 1
	}
	return 0
}

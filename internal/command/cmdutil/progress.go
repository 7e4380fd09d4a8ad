package cmdutil

import (
	"github.com/cheggaaa/pb/v3"
)

// Progress shows how far a long piece of work is: a bar with rate and remaining
// time on a terminal's stderr, nothing elsewhere. Safe for concurrent use.
type Progress struct{ bar *pb.ProgressBar }

// Progress starts a bar; total 0 means that the end is not known.
func (f *Factory) Progress(what string, total int64) *Progress {
	if !f.IO.Progress() {
		return &Progress{}
	}
	const known = `{{ string . "what" }} {{ counters . }} {{ bar . }} {{ percent . }} {{ speed . }} {{ rtime . "%s left" }}`
	const unknown = `{{ string . "what" }} {{ counters . }} {{ cycle . }} {{ speed . }} {{ etime . }}`
	template := pb.ProgressBarTemplate(known)
	if total <= 0 {
		template = unknown
	}
	bar := template.New(0).SetTotal(total).SetWriter(f.IO.ErrOut).SetWidth(f.IO.Width()).Set("what", what)
	return &Progress{bar: bar.Start()}
}

// Add counts n more.
func (p *Progress) Add(n int64) {
	if p.bar != nil {
		p.bar.Add64(n)
	}
}

// Set says how many are done, and of how many where total is not 0.
func (p *Progress) Set(done, total int64) {
	if p.bar == nil {
		return
	}
	if total > 0 {
		p.bar.SetTotal(total)
	}
	p.bar.SetCurrent(done)
}

// Done ends the bar.
func (p *Progress) Done() {
	if p.bar != nil {
		p.bar.Finish()
	}
}

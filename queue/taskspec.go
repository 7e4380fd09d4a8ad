package queue

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// RowFate is what becomes of a job's row when its new task is published.
type RowFate string

// The fates.
const (
	RowKeep      RowFate = "keep"      // the task works on this row
	RowSupersede RowFate = "supersede" // the task makes a row of its own: this one becomes CANCELLED
)

// TaskSpec says how a job type becomes a Celery task. A value that is a text and
// begins with "job." or "lead." is taken from the row or from its lead (the one
// whose enrichment_job_id is the job); every other value is passed as it is.
type TaskSpec struct {
	Task     string  // as workers register it
	Args     []any   // positional
	Kwargs   []Kwarg // by name
	Queue    string  // the broker's default queue when empty
	Priority int     // 0 to 9
	Row      RowFate // RowKeep when empty
}

// references are the values that a TaskSpec can take from a job.
var references = map[string]func(jobRow) any{
	"job.id":          func(j jobRow) any { return j.ID },
	"job.job_type":    func(j jobRow) any { return string(j.Type) },
	"job.campaign_id": func(j jobRow) any { return orNil(j.CampaignID) },
	"job.name":        func(j jobRow) any { return j.Name },
	"lead.id":         func(j jobRow) any { return orNil(j.LeadID) },
}

// jobRow is what a task's arguments are made of.
type jobRow struct {
	ID         int64
	Type       JobType
	Name       string
	CampaignID *string
	LeadID     *string
}

func orNil(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}

// DefaultTasks are the platform's own: process_job_task is the entry point of a
// resumed job. For ENRICH_LEAD it is not: it queues enrich_lead_task, which inserts
// a second row with the same task id, and only one of the two can commit. So that
// task is published directly, and the old row is closed in favour of the new one.
func DefaultTasks() map[JobType]TaskSpec {
	byJob := TaskSpec{Task: "process_job_task", Row: RowKeep,
		Kwargs: []Kwarg{{"job_id", "job.id"}, {"job_type", "job.job_type"}, {"campaign_id", "job.campaign_id"}}}
	return map[JobType]TaskSpec{
		FetchLeads:      byJob,
		CleanupCampaign: byJob,
		EnrichLead: {Task: "enrich_lead_task", Row: RowSupersede,
			Kwargs: []Kwarg{{"lead_id", "lead.id"}, {"campaign_id", "job.campaign_id"}}},
	}
}

// runs is RunsJob for the tasks of the settings.
func (m *Manager) runs(task string) bool {
	return RunsJob(m.settings.Tasks, task)
}

// RunsJob says whether a task runs the job that its argument job_id names: one of the
// given ones, or of the platform's own. Others may have such an argument too.
func RunsJob(specs map[JobType]TaskSpec, task string) bool {
	if task == "process_job_task" || task == "fetch_and_save_leads_task" || task == "enrich_lead_task" {
		return true
	}
	for _, s := range specs {
		if s.Task == task {
			return true
		}
	}
	return false
}

// Validate refuses a specification that can make no task.
func (s TaskSpec) Validate() error {
	if s.Task == "" {
		return errors.New("it names no task")
	}
	if s.Priority < 0 || s.Priority > 9 {
		return fmt.Errorf("priority %d is not between 0 and 9", s.Priority)
	}
	switch s.Row {
	case "", RowKeep, RowSupersede:
	default:
		return fmt.Errorf("unknown fate of the row %q: it is %s or %s", s.Row, RowKeep, RowSupersede)
	}
	for _, v := range s.values() {
		if ref, ok := reference(v); ok && references[ref] == nil {
			return fmt.Errorf("%q is none of %s", ref, strings.Join(slices.Sorted(maps.Keys(references)), ", "))
		}
	}
	return nil
}

func (s TaskSpec) values() []any {
	values := slices.Clone(s.Args)
	for _, k := range s.Kwargs {
		values = append(values, k.Value)
	}
	return values
}

func reference(v any) (string, bool) {
	s, ok := v.(string)
	return s, ok && (strings.HasPrefix(s, "job.") || strings.HasPrefix(s, "lead."))
}

// wantsLead says whether an argument comes from the lead.
func (s TaskSpec) wantsLead() bool {
	return slices.ContainsFunc(s.values(), func(v any) bool {
		ref, ok := reference(v)
		return ok && strings.HasPrefix(ref, "lead.")
	})
}

// task fills in the arguments.
func (s TaskSpec) task(id string, j jobRow) (Task, error) {
	if s.wantsLead() && j.LeadID == nil {
		return Task{}, fmt.Errorf("no lead has enrichment_job_id '%d'", j.ID)
	}
	t := Task{ID: id, Name: s.Task, Queue: s.Queue, Priority: s.Priority}
	for _, v := range s.Args {
		t.Args = append(t.Args, resolve(v, j))
	}
	for _, k := range s.Kwargs {
		t.Kwargs = append(t.Kwargs, Kwarg{k.Name, resolve(k.Value, j)})
	}
	return t, nil
}

func resolve(v any, j jobRow) any {
	if ref, ok := reference(v); ok {
		return references[ref](j)
	}
	return v
}

// leadTypes are the job types whose task wants a lead.
func leadTypes(specs map[JobType]TaskSpec) []string {
	var types []string
	for t, s := range specs {
		if s.wantsLead() {
			types = append(types, string(t))
		}
	}
	slices.Sort(types)
	return types
}

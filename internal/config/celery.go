package config

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/leadgenctl/leadgenctl/queue"
)

// DefaultWorkersReturn is a little more than kombu waits between two tries at most.
const DefaultWorkersReturn = 35 * time.Second

const envWorkersReturn = "LEADGENCTL_WORKERS_RETURN"

// celerySettings are the file's section "celery", at the top level or in a context.
type celerySettings struct {
	DefaultQueue *string                 `yaml:"default-queue"`
	Queues       []string                `yaml:"queues"`
	MaxAttempts  *int                    `yaml:"max-attempts"`
	Return       *time.Duration          `yaml:"workers-return"`
	Transport    *Transport              `yaml:"broker-transport-options"`
	Tasks        map[string]taskSettings `yaml:"tasks"`
}

// Transport are those of the workers' broker_transport_options that name keys on Redis,
// spelled as kombu spells them (kombu/transport/redis.py). Kombu's defaults where empty.
type Transport struct {
	KeyPrefix     string `yaml:"global_keyprefix"`
	Separator     string `yaml:"sep"`
	PrioritySteps []int  `yaml:"priority_steps"`
	Unacked       string `yaml:"unacked_key"`
	UnackedIndex  string `yaml:"unacked_index_key"`
}

func (t Transport) validate() error {
	if t.PrioritySteps != nil && (len(t.PrioritySteps) == 0 || t.PrioritySteps[0] != 0 || !slices.IsSorted(t.PrioritySteps)) {
		return fmt.Errorf("priority_steps %v must ascend from 0", t.PrioritySteps)
	}
	return nil
}

// taskSettings say how one job type becomes a task; see queue.TaskSpec.
type taskSettings struct {
	Task     string    `yaml:"task"`
	Args     []any     `yaml:"args"`
	Kwargs   yaml.Node `yaml:"kwargs"` // a mapping, whose order is kept
	Queue    string    `yaml:"queue"`
	Priority int       `yaml:"priority"`
	Row      string    `yaml:"row"`
}

// fillCelery takes the sections in order: what comes later wins. Job types that are
// not named keep the platform's own tasks.
func (c *Config) fillCelery(sections ...*celerySettings) error {
	c.Tasks, c.WorkersReturn = queue.DefaultTasks(), DefaultWorkersReturn
	for _, s := range sections {
		if s == nil {
			continue
		}
		if s.DefaultQueue != nil {
			c.DefaultQueue = *s.DefaultQueue
		}
		if s.Queues != nil {
			c.Queues = s.Queues
		}
		if s.MaxAttempts != nil {
			if c.MaxAttempts = *s.MaxAttempts; c.MaxAttempts < 1 {
				return fmt.Errorf("celery.max-attempts is %d; it must be at least 1", c.MaxAttempts)
			}
		}
		if s.Return != nil {
			c.WorkersReturn = *s.Return
		}
		if s.Transport != nil {
			if err := s.Transport.validate(); err != nil {
				return fmt.Errorf("celery.broker-transport-options: %w", err)
			}
			c.Transport = *s.Transport
		}
		for _, name := range slices.Sorted(maps.Keys(s.Tasks)) {
			spec, err := s.Tasks[name].spec()
			if err == nil {
				err = spec.Validate()
			}
			if err != nil {
				return fmt.Errorf("celery.tasks.%s: %w", name, err)
			}
			c.Tasks[queue.JobType(name)] = spec
		}
	}
	if s := os.Getenv(envWorkersReturn); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			return fmt.Errorf("%s=%q is no duration such as 35s", envWorkersReturn, s)
		}
		c.WorkersReturn = d
	}
	if c.WorkersReturn < 0 {
		return fmt.Errorf("celery.workers-return is %s; it cannot be negative", c.WorkersReturn)
	}
	return nil
}

func (t taskSettings) spec() (queue.TaskSpec, error) {
	s := queue.TaskSpec{Task: t.Task, Args: t.Args, Queue: t.Queue, Priority: t.Priority, Row: queue.RowFate(t.Row)}
	if t.Kwargs.Kind == 0 {
		return s, nil
	}
	if t.Kwargs.Kind != yaml.MappingNode {
		return s, fmt.Errorf("line %d: kwargs is no mapping", t.Kwargs.Line)
	}
	for i := 0; i+1 < len(t.Kwargs.Content); i += 2 {
		k := queue.Kwarg{Name: t.Kwargs.Content[i].Value}
		if err := t.Kwargs.Content[i+1].Decode(&k.Value); err != nil {
			return s, fmt.Errorf("kwargs.%s: %w", k.Name, err)
		}
		s.Kwargs = append(s.Kwargs, k)
	}
	return s, nil
}

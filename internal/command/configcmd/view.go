package configcmd

import (
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leadgenctl/leadgenctl/internal/command/cmdutil"
	"github.com/leadgenctl/leadgenctl/internal/config"
)

type setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

type view struct {
	File     string    `json:"file,omitempty"`
	Context  string    `json:"context,omitempty"`
	Settings []setting `json:"settings"`
}

func newView(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "view",
		Short: "Show every setting in force and where it comes from, secrets masked",
		Long: `Show every setting in force and where it comes from, secrets masked.

A flag wins over the environment (LEADGENCTL_*, then the app's own DATABASE_URL,
POSTGRES_*, REDIS_URL, REDIS_*, CELERY_BROKER_URL), which wins over the context
of the config file, then the file's top level, then the default.`,
		Example: "  leadgenctl config view\n  leadgenctl config view --context prod -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := f.Config()
			if err != nil {
				return err
			}
			v := newViewOf(c)
			return f.Print(v, func(w io.Writer) error {
				if err := f.Fields(w, [2]string{"File", v.File}, [2]string{"Context", v.Context}); err != nil {
					return err
				}
				rows := make([][]string, len(v.Settings))
				for i, s := range v.Settings {
					rows[i] = []string{s.Name, s.Value, s.Source}
				}
				return f.Table(w, []string{"setting", "value", "source"}, rows)
			})
		},
	}
}

func channels(m map[string]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, name+"="+config.MaskAll(m[name]))
	}
	return strings.Join(all, " ")
}

func secret(s string) string {
	if s == "" {
		return ""
	}
	return "xxxxx"
}

func newViewOf(c *config.Config) view {
	v := view{File: c.File, Context: c.Context}
	for _, s := range []struct{ name, value string }{
		{config.KeyDatabaseURL, config.Mask(c.DatabaseURL)},
		{config.KeyRedisURL, config.Mask(c.RedisURL)},
		{config.KeyBrokerURL, config.Mask(c.BrokerURL)},
		{config.KeyTimeout, c.Timeout.String()},
		{config.KeyActor, c.Actor},
		{config.KeyServices, strings.Join(c.Services, ",")},
		{config.KeyNotify, channels(c.Notify)},
		{config.KeySecret, secret(c.WebhookSecret)},
		{config.KeyPingURL, config.MaskAll(c.PingURL)},
	} {
		v.Settings = append(v.Settings, setting{s.name, s.value, c.Sources[s.name]})
	}
	return v
}

package cmdutil

import (
	"maps"
	"slices"

	"github.com/leadgenctl/leadgenctl/internal/exit"
	"github.com/leadgenctl/leadgenctl/internal/notify"
)

// Channels are the notification channels of the configuration, by name.
func (f *Factory) Channels() ([]notify.Channel, error) {
	c, err := f.Config()
	if err != nil {
		return nil, err
	}
	var all []notify.Channel
	for _, name := range slices.Sorted(maps.Keys(c.Notify)) {
		channel, err := notify.New(name, c.Notify[name], notify.Settings{WebhookSecret: c.WebhookSecret})
		if err != nil {
			return nil, exit.WithHint(exit.Usagef("%w", err), "see the channels with: leadgenctl config view")
		}
		all = append(all, channel)
	}
	return all, nil
}

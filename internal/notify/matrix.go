package notify

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/matrix"
)

// checkMatrix looks at an address without the log-in that the library begins with. An
// empty room would make the library panic.
func checkMatrix(u *url.URL) error {
	for _, key := range []string{"rooms", "room"} {
		if q := u.Query(); q.Has(key) && slices.Contains(strings.Split(q.Get(key), ","), "") {
			return errors.New("a room has no name")
		}
	}
	return (&matrix.Config{}).SetURL(u)
}

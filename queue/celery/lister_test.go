package celery

import (
	"slices"
	"testing"
)

func TestBulks(t *testing.T) {
	t.Parallel()
	for reply, want := range map[string][]string{
		"*0\r\n":                          {},
		"*2\r\n$3\r\na\r\n\r\n$0\r\n\r\n": {"a\r\n", ""},
		"*1\r\n$2\r\n\x00\xff\r\n":        {"\x00\xff"},
		"":                                nil,
		"*1\r\n":                          nil,
		"*1\r\n:5\r\n":                    nil,
		"*1\r\n$-1\r\n":                   nil,
		"*1\r\n$5\r\nabc\r\n":             nil,
		"*-1\r\n":                         nil,
		"$1\r\na\r\n":                     nil,
	} {
		got, err := bulks(nil, []byte(reply))
		if (err != nil) != (want == nil) || err == nil && !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", reply, got, err, want)
		}
	}
}

package config_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/config"
)

func TestMask(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"":                               "",
		"redis://localhost:6379/0":       "redis://localhost:6379/0",
		"redis://:pw@h/0":                "redis://:xxxxx@h/0",
		"postgresql://u:p@w:x@h/d":       "postgresql://u:xxxxx@h/d",
		"postgresql://u@h/d?password=pw": "postgresql://u@h/d?password=xxxxx",
		"postgresql://u@h/d?sslmode=require&sslpassword=pw&x=1": "postgresql://u@h/d?sslmode=require&sslpassword=xxxxx&x=1",
		"sentinel://:a@s1,s2/m/0?sentinel_password=b":           "sentinel://:xxxxx@s1,s2/m/0?sentinel_password=xxxxx",
		"host=h password=pw user=u":                             "host=h password=xxxxx user=u",
		`host=h password='a \' b' user=u`:                       "host=h password=xxxxx user=u",
		"host=h password = pw":                                  "host=h password=xxxxx",
		"amqp://guest:guest@h:5672//":                           "amqp://guest:xxxxx@h:5672//",
	} {
		if got := config.Mask(address); got != want {
			t.Errorf("Mask(%q) = %q, want %q", address, got, want)
		}
	}
}

// A secret never shows, wherever an address has room for one.
func FuzzMaskHidesThePassword(f *testing.F) {
	for _, s := range []string{"secret-7", "p@ss:w/rd?#", "a b'\\", "%41%zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, secret string) {
		if len(secret) < 6 || strings.Contains("postgresql://ann:xxxxx@host:5432/db?sslmode=require&password=xxxxx", secret) {
			return // too short, or a part of the rest of the address: nothing to look for
		}
		escaped := url.QueryEscape(secret)
		user := url.UserPassword("ann", secret).String()
		for _, address := range []string{
			"postgresql://" + user + "@host:5432/db?sslmode=require",
			"postgresql://ann@host:5432/db?sslmode=require&password=" + escaped,
		} {
			if got := config.Mask(address); strings.Contains(got, escaped) || strings.Contains(got, user) {
				t.Errorf("Mask(%q) = %q", address, got)
			}
		}
	})
}

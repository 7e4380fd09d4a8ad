package config

import (
	"net/url"
	"regexp"
	"strings"
)

const masked = "xxxxx"

// secretWords mark the names of URL parameters and key=value fields that hold secrets.
var secretWords = []string{"password", "passwd", "pwd", "secret", "token", "apikey", "api_key"}

func isSecret(name string) bool {
	name = strings.ToLower(name)
	for _, w := range secretWords {
		if strings.Contains(name, w) {
			return true
		}
	}
	return name == "pass"
}

// Mask returns an address with every secret in it replaced, for messages and
// `config view`. What cannot be parsed is masked as a whole behind its scheme.
func Mask(address string) string {
	if !strings.Contains(address, "://") {
		return maskKeyValue(address)
	}
	scheme, rest, _ := strings.Cut(address, "://")
	// A password may hold any character but the last @ of the authority ends it.
	authority, tail := rest, ""
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		userinfo := rest[:i]
		name, _, hasPassword := strings.Cut(userinfo, ":")
		if hasPassword {
			userinfo = name + ":" + masked
		}
		authority, tail = userinfo, rest[i:]
	} else {
		authority, tail = "", rest
	}
	return scheme + "://" + authority + maskQuery(tail)
}

// MaskAll returns the scheme of an address alone: of those whose every part may be a secret.
func MaskAll(address string) string {
	if address == "" {
		return ""
	}
	scheme, _, _ := strings.Cut(address, ":")
	return scheme + "://" + masked
}

func maskQuery(tail string) string {
	head, query, found := strings.Cut(tail, "?")
	if !found {
		return tail
	}
	parts := strings.Split(query, "&")
	for i, p := range parts {
		name, _, ok := strings.Cut(p, "=")
		if plain, err := url.QueryUnescape(name); ok && (err != nil || isSecret(plain)) {
			parts[i] = name + "=" + masked
		}
	}
	return head + "?" + strings.Join(parts, "&")
}

// maskKeyValue masks libpq's key=value form, quoted values included.
func maskKeyValue(dsn string) string {
	return keyValue().ReplaceAllStringFunc(dsn, func(pair string) string {
		name, _, _ := strings.Cut(pair, "=")
		if isSecret(strings.TrimSpace(name)) {
			return strings.TrimRight(name, " ") + "=" + masked
		}
		return pair
	})
}

// keyValue is compiled on use: a start of the program needs no pattern.
func keyValue() *regexp.Regexp {
	return regexp.MustCompile(`[A-Za-z_]+\s*=\s*('(\\.|[^'\\])*'?|(\\.|[^\s'\\])*)`)
}

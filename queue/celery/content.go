package celery

import (
	"bytes"
	"compress/bzip2"
	"compress/zlib"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// plain is the body as text, and whether it can be read here. It judges the headers that
// say how to read it, as a worker of the platform does, which accepts JSON only.
func (e envelope) plain(body string, flaw func(bool, string)) (text string, readable bool) {
	readable = true
	if e.compression != nil && *e.compression != "" {
		var ok bool
		if body, readable, ok = decompress(body, *e.compression); !ok {
			flaw(false, fmt.Sprintf("compressed as %.40q, which cannot be undone", *e.compression))
		}
	}
	switch {
	case e.contentType == nil:
		flaw(true, "no content-type")
	case *e.contentType == "application/json":
	case *e.contentType == "application/data" || *e.contentType == "application/text":
		flaw(true, "the content-type "+*e.contentType+" has no reader") // kombu hands the bytes on as they are
		readable = false
	default: // kombu.exceptions.ContentDisallowed
		flaw(false, fmt.Sprintf("the content-type %.60q is not accepted", *e.contentType))
		readable = false
	}
	return body, readable
}

// maxBody bounds what a compressed body may become.
const maxBody = 16 << 20

// decompress undoes what kombu/compression.py does. known is false for what no worker can
// undo; some can undo more than we can read.
func decompress(body, how string) (text string, readable, known bool) {
	var r io.Reader
	switch how {
	case "application/x-gzip", "gzip", "zlib": // zlib by all three names
		z, err := zlib.NewReader(strings.NewReader(body))
		if err != nil {
			return "", false, false
		}
		r = z
	case "application/x-bz2", "bzip2", "bzip":
		r = bzip2.NewReader(strings.NewReader(body))
	case "application/x-lzma", "lzma", "xz", "application/x-brotli", "brotli", "application/zstd", "zstd", "zstandard":
		return "", false, true
	default:
		return "", false, false
	}
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(r, maxBody+1))
	if err != nil {
		return "", false, false
	}
	return out.String(), n <= maxBody, true
}

// isDate says whether Python's datetime.fromisoformat takes a text, as far as programs
// write such texts.
func isDate(s string) bool {
	if len(s) > len(time.DateOnly) && s[len(time.DateOnly)] == ' ' {
		s = s[:len(time.DateOnly)] + "T" + s[len(time.DateOnly)+1:]
	}
	for _, layout := range []string{"2006-01-02", "2006-01-02T15", "2006-01-02T15:04", "2006-01-02T15:04:05", "20060102", "20060102T150405"} {
		for _, zone := range []string{"", "Z07:00", "Z0700", "Z07"} {
			if _, err := time.Parse(layout+zone, s); err == nil {
				return true
			}
		}
	}
	return false
}

// impossibleJob returns a job_id that is there and that no job can have.
func impossibleJob(v gjson.Result, id int64) string {
	if id > 0 || v.Type != gjson.Number && (v.Type != gjson.String || v.Str == "") {
		return ""
	}
	return fmt.Sprintf("%.40s", v.String())
}

package celery

import (
	"bytes"
	"context"
	"errors"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// lister reads parts of lists into room that is used again: a walk over a long queue
// makes no garbage, and copies what it reads once.
type lister struct {
	client redis.UniversalClient
	reply  bytes.Buffer
	raws   []string
}

// read returns a part of a list, good until the next read.
func (l *lister) read(ctx context.Context, list string, first, last int64) ([]string, error) {
	l.reply.Reset()
	err := l.client.Process(ctx, redis.NewRawWriteToCmd(ctx, &l.reply, "lrange", list, first, last))
	if err == nil {
		l.raws, err = bulks(l.raws[:0], l.reply.Bytes())
	}
	if err != nil { // such a command is never tried again; this one is
		return l.client.LRange(ctx, list, first, last).Result()
	}
	return l.raws, nil
}

var errReply = errors.New("not an array of bulk strings")

// bulks appends the texts of an array of bulk strings, as Redis sends it, to texts.
// They are those of reply itself.
func bulks(texts []string, reply []byte) ([]string, error) {
	n, rest, err := length(reply, '*')
	for ; n > 0 && err == nil; n-- {
		var size int
		if size, rest, err = length(rest, '$'); err != nil || size+2 > len(rest) {
			return texts, errReply
		}
		texts, rest = append(texts, text(rest[:size])), rest[size+2:]
	}
	return texts, err
}

// length reads a line of a kind, such as *1000, and returns its number and what follows.
func length(reply []byte, kind byte) (int, []byte, error) {
	line, rest, found := bytes.Cut(reply, []byte("\r\n"))
	if !found || len(line) < 2 || line[0] != kind {
		return 0, nil, errReply
	}
	n, err := strconv.Atoi(text(line[1:]))
	if err != nil || n < 0 {
		return 0, nil, errReply
	}
	return n, rest, nil
}

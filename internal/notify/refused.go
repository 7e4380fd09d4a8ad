package notify

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/nicholas-fedor/shoutrrr/pkg/util/jsonclient"
)

// RefusedError says that a receiver answered and took no message. Final is set where the
// message is at fault: it is refused however often it is sent.
type RefusedError struct {
	Status string
	Final  bool
}

func (e *RefusedError) Error() string { return "answered " + e.Status }

// finalStatuses are the answers that concern a message, whoever sends it.
var finalStatuses = []int{http.StatusBadRequest, http.StatusLengthRequired, http.StatusRequestEntityTooLarge,
	http.StatusRequestURITooLong, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusRequestHeaderFieldsTooLarge}

// refusal is the error of an HTTP answer; nil where the same request may do later.
func refusal(status int) *RefusedError {
	if status < 400 || status >= 500 || slices.Contains([]int{http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests}, status) {
		return nil
	}
	return &RefusedError{fmt.Sprintf("%d %s", status, http.StatusText(status)), slices.Contains(finalStatuses, status)}
}

// refusalOf finds the answer in an error, where it tells.
func refusalOf(err error) *RefusedError {
	var no *RefusedError
	if errors.As(err, &no) {
		return no
	}
	var answer jsonclient.Error
	if errors.As(err, &answer) {
		return refusal(answer.StatusCode)
	}
	return nil
}

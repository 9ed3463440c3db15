package registry

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"

	"drawbridge/identity"
)

// answer is how one kind of error looks to a registry client: the distribution
// project's error codes (spec/api, "Errors") with the HTTP status.
type answer struct {
	status int
	code   string
}

// answerTo is the one place that maps error kinds to the token endpoint's
// statuses and codes.
func answerTo(kind identity.ErrorKind) answer {
	switch kind {
	case identity.Invalid:
		return answer{http.StatusBadRequest, "UNSUPPORTED"}
	case identity.Unsupported:
		return answer{http.StatusBadRequest, "UNSUPPORTED"}
	case identity.TooLarge:
		return answer{http.StatusRequestEntityTooLarge, "UNSUPPORTED"}
	case identity.Unauthenticated:
		return answer{http.StatusUnauthorized, "UNAUTHORIZED"}
	case identity.Forbidden:
		return answer{http.StatusForbidden, "DENIED"}
	case identity.RateLimited:
		return answer{http.StatusTooManyRequests, "TOOMANYREQUESTS"}
	case identity.Unavailable:
		return answer{http.StatusServiceUnavailable, "UNAVAILABLE"}
	case identity.Internal:
	}
	return answer{http.StatusInternalServerError, "UNAVAILABLE"}
}

// retryAfter is the default for outages nobody gave a time for.
const retryAfter = 5 * time.Second

type errorBody struct {
	Errors []errorItem `json:"errors"`
}

// errorItem has its detail as a string: clients print an object as Go syntax.
type errorItem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Detail  string `json:"detail,omitempty"`
}

// writeError answers in the registry's error shape.
func writeError(w http.ResponseWriter, err *identity.Error) {
	a := answerTo(err.Kind)
	h := w.Header()
	switch a.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Basic realm="Drawbridge", charset="UTF-8"`)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		wait := err.RetryAfter
		if wait <= 0 {
			wait = retryAfter
		}
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	writeJSON(w, a.status, errorBody{[]errorItem{{a.code, err.Message, err.Detail}}})
}

// writeJSON answers with the headers that every answer of this endpoint has. A
// client that hung up is nobody's error.
func writeJSON(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil { // the bodies above hold strings and integers only
		status, data = http.StatusInternalServerError, []byte(`{"errors":[{"code":"UNAVAILABLE","message":"internal error"}]}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	_, _ = w.Write(data)
}

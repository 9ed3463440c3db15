package server

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"
)

// RegistryErrors is the error shape of the distribution project (spec/api,
// "Errors"), which registry clients print.
type RegistryErrors struct {
	Errors []RegistryError `json:"errors"`
}

// RegistryError is one of them. Its detail is a string: clients print an object as
// Go syntax.
type RegistryError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Detail  string `json:"detail,omitempty"`
}

// WriteJSON answers with what every JSON answer has: it is not to be cached and not
// to be taken for something else. body holds strings, numbers and such only, which
// always encode. A client that hung up is nobody's error.
func WriteJSON(w http.ResponseWriter, status int, body any) {
	writeJSON(w, "application/json", status, body)
}

func writeJSON(w http.ResponseWriter, mediaType string, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"errors":[{"code":"UNAVAILABLE","message":"internal error"}]}`)
	}
	write(w, mediaType, status, data)
}

// WriteEncoded is WriteJSON for a body that is JSON already.
func WriteEncoded(w http.ResponseWriter, status int, data []byte) {
	write(w, "application/json", status, data)
}

func write(w http.ResponseWriter, mediaType string, status int, data []byte) {
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	_, _ = w.Write(data)
}

// soon is for outages nobody gave a time for.
const soon = 5 * time.Second

// RetryAfter returns the value of a Retry-After header (RFC 9110 section 10.2.3):
// whole seconds, not too few; zero stands for a time that nobody knows.
func RetryAfter(wait time.Duration) string {
	if wait <= 0 {
		wait = soon
	}
	return strconv.Itoa(int(math.Ceil(wait.Seconds())))
}

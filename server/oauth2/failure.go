package oauth2

import (
	"net/http"
	"time"

	"drawbridge/identity"
	"drawbridge/server"
)

// failure is an error of RFC 6749 section 5.2.
type failure struct {
	status      int
	code        string
	description string // a whole sentence for the client
	retryAfter  time.Duration
	cause       error // for the log
}

// Error returns what the log needs.
func (f *failure) Error() string {
	if f.cause == nil {
		return f.description
	}
	return f.description + ": " + f.cause.Error()
}

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.cause }

func invalid(description string) error {
	return &failure{status: http.StatusBadRequest, code: "invalid_request", description: description}
}

// unavailable is for a store or a list of revocations that cannot answer.
func unavailable(description string, cause error) error {
	return &failure{
		status: http.StatusServiceUnavailable, code: "temporarily_unavailable", description: description,
		cause: cause,
	}
}

// failureOf maps the kinds of errors to RFC 6749's. A login that fails is
// invalid_client: who introspects is a client there.
func failureOf(e *identity.Error) *failure {
	f := &failure{description: e.Message, retryAfter: e.RetryAfter, cause: e.Err}
	switch e.Kind {
	case identity.Unauthenticated:
		f.status, f.code = http.StatusUnauthorized, "invalid_client"
	case identity.Forbidden:
		f.status, f.code = http.StatusForbidden, "access_denied"
	case identity.RateLimited:
		f.status, f.code = http.StatusTooManyRequests, "temporarily_unavailable"
	case identity.Unavailable:
		f.status, f.code = http.StatusServiceUnavailable, "temporarily_unavailable"
	case identity.Invalid, identity.TooLarge, identity.Unsupported, identity.NotFound, identity.Conflict, identity.Stale:
		f.status, f.code = http.StatusBadRequest, "invalid_request"
	case identity.Internal:
		f.status, f.code = http.StatusInternalServerError, "server_error"
	}
	return f
}

type failureBody struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// fail answers with an error. What is our own fault is logged.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	f, ok := err.(*failure) //nolint:errorlint // made by the endpoints below and never wrapped
	if !ok {
		f = failureOf(identity.AsError(err))
	}
	if f.status >= http.StatusInternalServerError {
		h.Log.WarnContext(r.Context(), "an OAuth request failed", "path", r.URL.Path, "error", f)
	}
	header := w.Header()
	switch f.status {
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", `Basic realm="Drawbridge", charset="UTF-8"`)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		header.Set("Retry-After", server.RetryAfter(f.retryAfter))
	}
	server.WriteJSON(w, f.status, failureBody{f.code, f.description})
}

// answer is 200 with the body, or with none.
func answer(w http.ResponseWriter, body any) {
	if body == nil {
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusOK)
		return
	}
	server.WriteJSON(w, http.StatusOK, body)
}

package registry

import (
	"net/http"

	"drawbridge/identity"
	"drawbridge/server"
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
	case identity.Internal, identity.NotFound, identity.Conflict, identity.Stale: // nothing of the token endpoint is one of the last three
	}
	return answer{http.StatusInternalServerError, "UNAVAILABLE"}
}

// writeError answers in the registry's error shape.
func writeError(w http.ResponseWriter, err *identity.Error) {
	a := answerTo(err.Kind)
	h := w.Header()
	switch a.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Basic realm="Drawbridge", charset="UTF-8"`)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		h.Set("Retry-After", server.RetryAfter(err.RetryAfter))
	}
	server.WriteJSON(w, a.status, server.RegistryErrors{Errors: []server.RegistryError{{Code: a.code, Message: err.Message, Detail: err.Detail}}})
}

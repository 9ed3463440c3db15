package verify

import (
	"encoding/json"
	"net/http"
	"strconv"

	"drawbridge/server"
)

// DenialHeader carries the body of a denial as well, in ASCII: nginx's
// auth_request drops the body of what it is answered and keeps headers.
const DenialHeader = "X-Drawbridge-Denial"

// denial is an answer that keeps a request from the registry.
type denial struct {
	status    int
	code      string
	message   string // a whole sentence in ASCII, for the client
	challenge string // WWW-Authenticate
}

// unauthorized makes the client fetch another token.
func (h *Handler) unauthorized(r *http.Request, pinned, token, message string) *denial {
	return &denial{
		status: http.StatusUnauthorized, code: "UNAUTHORIZED", message: message,
		challenge: h.challenge(r, h.serviceFor(pinned, token)),
	}
}

// forbidden makes the client give up.
func forbidden(message string) *denial {
	return &denial{status: http.StatusForbidden, code: "DENIED", message: message}
}

// unavailable says that nobody knows. nginx makes a 500 of it, which denies too.
func unavailable() *denial {
	return &denial{
		status: http.StatusServiceUnavailable, code: "UNAVAILABLE",
		message: "It cannot be said at the moment whether this token was revoked. Try again in a few seconds.",
	}
}

// write answers in the error shape that registry clients print.
func (d *denial) write(w http.ResponseWriter) {
	body := server.RegistryErrors{Errors: []server.RegistryError{{Code: d.code, Message: d.message}}}
	h := w.Header()
	if text, err := json.Marshal(body); err == nil {
		h.Set(DenialHeader, string(text))
	}
	h.Set("Docker-Distribution-Api-Version", "registry/2.0")
	if d.challenge != "" {
		h.Set("WWW-Authenticate", d.challenge)
	}
	if d.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	server.WriteJSON(w, d.status, body)
}

// retryAfter is in seconds; what a replica has missed it knows again within one.
const retryAfter = 2

// noStore is the value of Cache-Control in every answer.
func noStore() []string { return []string{"no-store"} }

package verify

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"drawbridge/audit"
	"drawbridge/identity"
	"drawbridge/tokens"
)

// Path is where gateways ask.
const Path = "/verify"

// ServiceHeader is how a gateway says which registry it stands before.
const ServiceHeader = "X-Drawbridge-Service"

// Tokens reads tokens of ours; tokens.Verifier is one.
type Tokens interface {
	Verify(token string) (tokens.Claims, error)
}

// Revocations knows what was revoked; revocation.List is one. An error that is no
// *revocation.RevokedError means that nobody can say.
type Revocations interface {
	Check(c tokens.Claims) error
}

// Recorder takes audit events and never blocks; audit.Log is one.
type Recorder interface {
	Record(audit.Event)
}

// Handler answers gateways. All fields are required.
type Handler struct {
	Tokens      Tokens
	Revocations Revocations
	// Services are the registries that tokens are made for.
	Services []string
	// Realm is the URL of the token endpoint, for the challenge of a 401.
	Realm   string
	Metrics *Metrics
	Audit   Recorder
	// ClientAddr returns the address of the registry's client, for the audit log.
	ClientAddr func(*http.Request) string
	Clock      func() time.Time

	refused noted
}

// Before returns a handler that leaves [Path] and everything below it to gateways,
// which is a [Handler], and the rest to next. It is no pattern of a ServeMux, which
// would answer a gateway that appends the client's path with a redirect when that
// path holds "//" or "..".
func Before(gateways, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path := r.URL.Path; strings.HasPrefix(path, Path) && (len(path) == len(Path) || path[len(Path)] == '/') {
			gateways.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	outcome, no := h.decide(r)
	h.Metrics.count(outcome)
	if no != nil {
		no.write(w)
		return
	}
	w.Header()["Cache-Control"] = noStore()
	w.WriteHeader(http.StatusOK)
}

// decide returns nil for a request that may go on to the registry.
func (h *Handler) decide(r *http.Request) (outcome, *denial) {
	token, shown := credential(r.Header)
	if shown == nothing {
		return noToken, nil
	}
	pinned, ok := h.pin(r.Header)
	if !ok {
		return misconfigured, forbidden("The gateway's header " + ServiceHeader + " does not name one of the registries of Drawbridge's configuration.")
	}
	if shown == unreadable {
		return invalid, h.unauthorized(r, pinned, "", "The Authorization header is not one Bearer token.")
	}
	claims, err := h.Tokens.Verify(token)
	if key, ok := errors.AsType[*tokens.RevokedKeyError](err); ok {
		return h.withdrawn(r, pinned, token, key.Claims)
	}
	switch {
	case err != nil && identity.AsError(err).Kind == identity.Unavailable:
		return unknown, unavailable()
	case err != nil:
		return invalid, h.unauthorized(r, pinned, token, "The token is over or not valid; a new one is needed.")
	case pinned != "" && claims.Audience != pinned, !h.known(claims.Audience):
		return otherService, h.unauthorized(r, pinned, token, "The token is for another registry.")
	}
	if err := h.Revocations.Check(claims); err != nil {
		return h.stopped(r, pinned, token, claims, err)
	}
	return allowed, nil
}

// pin returns the registry that the gateway stands before, or the empty string
// when it does not say. A client can add the header where the gateway does not set
// it; that only narrows what its token is good for.
func (h *Handler) pin(header http.Header) (service string, ok bool) {
	switch values := header[ServiceHeader]; len(values) {
	case 0:
		return "", true
	case 1:
		return values[0], h.known(values[0])
	}
	return "", false
}

// known reports whether tokens are made for the service.
func (h *Handler) known(service string) bool { return slices.Contains(h.Services, service) }

package registry

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"drawbridge/bridge"
	"drawbridge/identity"
	"drawbridge/server"
)

// Issuer answers a parsed token request; it is what the handler needs of the
// bridge. A failure is an identity.Error; any other error reads as internal.
type Issuer interface {
	Token(ctx context.Context, req bridge.Request) (bridge.Answer, error)
}

// Handler serves the token endpoint.
type Handler struct {
	Bridge Issuer
	// ClientAddr returns the caller's address for the audit log.
	ClientAddr func(*http.Request) string
	// RequestID returns the ID under which the request is logged.
	RequestID func(*http.Request) string
	// TokenUsernames mark a password that is a refresh token; see
	// [DefaultTokenUsernames].
	TokenUsernames []string
	Log            *slog.Logger

	// bodies holds what answers were written from, for the next ones: each has some
	// kilobytes. A body is written as a whole, so that none shows a part of another.
	bodies sync.Pool
}

// DefaultTokenUsernames returns the usernames that clients in the field use to
// say that the password is a token: docker's credential helpers, Azure's and
// Google's.
func DefaultTokenUsernames() []string {
	return []string{"<token>", "00000000-0000-0000-0000-000000000000", "oauth2accesstoken"}
}

// Mount registers the endpoint under its path and under docker_auth's.
func (h *Handler) Mount(mux *http.ServeMux) {
	for _, path := range []string{"/token", "/auth"} {
		mux.Handle(path, h)
	}
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		server.WriteJSON(w, http.StatusMethodNotAllowed, server.RegistryErrors{Errors: []server.RegistryError{{
			Code: "UNSUPPORTED", Message: "The token endpoint answers GET and POST.",
		}}})
		return
	}
	answer, err := h.token(w, r)
	if err != nil {
		e := identity.AsError(err)
		if e.Kind == identity.Internal {
			h.Log.ErrorContext(r.Context(), "token request failed", "error", e)
		}
		writeError(w, e)
		return
	}
	body, found := h.bodies.Get().(*[]byte)
	if !found {
		body = new([]byte)
	}
	*body = appendBody((*body)[:0], answer)
	server.WriteEncoded(w, http.StatusOK, *body)
	h.bodies.Put(body)
}

// terms is the answer of both methods, but for the token.
type terms struct {
	ExpiresIn    int    `json:"expires_in"`
	Scope        string `json:"scope"`
	RefreshToken string `json:"refresh_token,omitempty"`
}

// appendBody appends the answer of both methods: GET reads token, POST access_token.
// The token is put in as it is, since it has nothing that JSON escapes (RFC 7515
// section 2): the encoder would look twice at each of its thousands of characters.
func appendBody(b []byte, a bridge.Answer) []byte {
	// Strings and a number always encode.
	rest, _ := json.Marshal(terms{ExpiresIn: int(a.TTL.Seconds()), Scope: a.Scope, RefreshToken: a.RefreshToken.Reveal()})
	const prefix, between, end = `{"token":"`, `","access_token":"`, `",`
	b = slices.Grow(b, len(prefix)+len(between)+len(end)+2*len(a.Token)+len(rest))
	b = append(append(b, prefix...), a.Token...)
	b = append(append(b, between...), a.Token...)
	return append(append(b, end...), rest[1:]...)
}

func (h *Handler) token(w http.ResponseWriter, r *http.Request) (bridge.Answer, error) {
	req, err := parse(w, r, h.TokenUsernames)
	if err != nil {
		return bridge.Answer{}, err
	}
	req.SourceIP = h.ClientAddr(r)
	req.RequestID = h.RequestID(r)
	return h.Bridge.Token(r.Context(), req)
}

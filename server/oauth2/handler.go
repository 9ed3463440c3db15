package oauth2

import (
	"context"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"drawbridge/audit"
	"drawbridge/bridge/manage"
	"drawbridge/identity"
	"drawbridge/tokens"
	"drawbridge/tokens/revocation"
	"drawbridge/tokens/sessions"
)

// The paths.
const (
	IntrospectPath = "/oauth2/introspect"
	RevokePath     = "/oauth2/revoke"
)

// Tokens reads access tokens of ours; tokens.Keys and tokens.Verifier do.
type Tokens interface {
	Verify(token string) (tokens.Claims, error)
}

// Revocations knows what was revoked; revocation.List is one. An error that is no
// *revocation.RevokedError means that nobody can say.
type Revocations interface {
	Check(c tokens.Claims) error
}

// Revoker revokes access tokens; revocation.Revoker is one. What it has returned
// without an error is durable.
type Revoker interface {
	Token(ctx context.Context, id string, o revocation.Order) error
}

// Sessions are behind refresh tokens; sessions.Manager has them.
type Sessions interface {
	// ByToken returns the session of a refresh token. It is not found when the token
	// is none of ours, or the session is over. An error means that nobody can say.
	ByToken(ctx context.Context, shown identity.Secret) (s sessions.Session, found bool, err error)
	// End ends the session and all that was made from it. It is durable when there is
	// no error.
	End(ctx context.Context, id, by, reason string) error
}

// Door says who a caller is and what they may do in Drawbridge itself; manage.Door
// is one. Its errors are [identity.Error] values.
type Door interface {
	Enter(ctx context.Context, a manage.Actor, cred identity.Credential) (manage.Actor, error)
}

// Recorder takes audit events; audit.Log is one.
type Recorder interface {
	// Record never blocks.
	Record(e audit.Event)
	// Act returns when what somebody has done is written.
	Act(ctx context.Context, e audit.Event)
}

// Handler serves both endpoints. All fields are required.
type Handler struct {
	// Active reads a token that is to be introspected: one that is over is not.
	Active Tokens
	// Honoured reads a token that is to be revoked: any that a registry still takes.
	Honoured    Tokens
	Revocations Revocations
	Revoker     Revoker
	Sessions    Sessions
	Door        Door
	Audit       Recorder
	// ClientAddr returns the caller's address, RequestID the ID under which the
	// request is logged.
	ClientAddr, RequestID func(*http.Request) string
	Clock                 func() time.Time
	Log                   *slog.Logger
}

// Mount registers the endpoints.
func (h *Handler) Mount(mux *http.ServeMux) {
	mux.HandleFunc(IntrospectPath, h.serve(h.introspect))
	mux.HandleFunc(RevokePath, h.serve(h.revoke))
}

// serve reads the form and answers with what the endpoint returns: a body for 200,
// or a failure.
func (h *Handler) serve(endpoint func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			h.fail(w, r, &failure{status: http.StatusMethodNotAllowed, code: "invalid_request", description: "Send a POST."})
			return
		}
		err := readForm(w, r)
		var body any
		if err == nil {
			body, err = endpoint(r)
		}
		if err != nil {
			h.fail(w, r, err)
			return
		}
		answer(w, body)
	}
}

const (
	maxBody = 64 << 10 // bytes of a form
	maxUses = 1        // RFC 6749 section 3.2: no parameter comes twice
)

// readForm parses a form and nothing of the query: a token in a URL ends up in
// somebody's access log.
func readForm(w http.ResponseWriter, r *http.Request) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return invalid("Send the form as Content-Type application/x-www-form-urlencoded.")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		return invalid("The form is malformed or larger than 65536 bytes.")
	}
	for _, values := range r.PostForm {
		if len(values) > maxUses {
			return invalid("A parameter is there twice.")
		}
	}
	return nil
}

// token returns the parameter that both endpoints need.
func token(r *http.Request) (identity.Secret, error) {
	text := r.PostForm.Get("token")
	if text == "" {
		return identity.Secret{}, invalid("The form has no token.")
	}
	return identity.NewSecret(text), nil
}

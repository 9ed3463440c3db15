package oauth2

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"drawbridge/audit"
	"drawbridge/bridge/manage"
	"drawbridge/identity"
	"drawbridge/tokens"
	"drawbridge/tokens/revocation"
	"drawbridge/tokens/sessions"
)

// state is the answer of RFC 7662 section 2.2. Of a token that is not active it
// says that and nothing else.
type state struct {
	Active    bool   `json:"active"`
	Scope     string `json:"scope,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	ExpiresAt int64  `json:"exp,omitempty"`
	IssuedAt  int64  `json:"iat,omitempty"`
	NotBefore int64  `json:"nbf,omitempty"`
	Subject   string `json:"sub,omitempty"`
	Audience  string `json:"aud,omitempty"`
	Issuer    string `json:"iss,omitempty"`
	ID        string `json:"jti,omitempty"`
	// Session is the ID of the session that the token belongs to, as in the token.
	Session string `json:"sid,omitempty"`
}

// introspect answers who may read the audit log: to know a token's state is to
// know what somebody is doing.
func (h *Handler) introspect(r *http.Request) (any, error) {
	username, password, _ := r.BasicAuth() // the door refuses who shows none
	who, err := h.Door.Enter(r.Context(), manage.Actor{Address: h.ClientAddr(r), RequestID: h.RequestID(r), UserAgent: r.UserAgent()},
		identity.Credential{Username: username, Password: identity.NewSecret(password)})
	if err != nil {
		return nil, err
	}
	if err := who.MayReadAudit(); err != nil {
		return nil, err
	}
	shown, err := token(r)
	if err != nil {
		return nil, err
	}
	s, err := h.state(r.Context(), shown)
	if err != nil {
		return nil, err
	}
	h.record(r, audit.Event{
		Action: audit.TokenIntrospected, Outcome: audit.Success, Personal: audit.Personal{User: who.Name}, Connector: who.Identity.Connector,
		DecisionID: s.ID, SessionID: s.Session, Service: s.Audience,
	})
	return s, nil
}

func (h *Handler) state(ctx context.Context, shown identity.Secret) (state, error) {
	if !isAccessToken(shown) {
		return h.sessionState(ctx, shown)
	}
	claims, err := h.Active.Verify(shown.Reveal())
	if cannotTell(err) {
		return state{}, unavailable("The token's key cannot be looked up at the moment. Try again in a few seconds.", err)
	}
	if err != nil {
		return state{}, nil //nolint:nilerr // section 2.2: whatever is wrong with it, it is not active
	}
	switch err := h.Revocations.Check(claims); {
	case isRevoked(err):
		return state{}, nil
	case err != nil:
		return state{}, unavailable("It is not known at the moment what was revoked. Try again in a few seconds.", err)
	}
	scopes := make([]string, 0, len(claims.Access))
	for _, a := range claims.Access {
		scopes = append(scopes, a.Scope())
	}
	return state{
		Active: true, Scope: strings.Join(scopes, " "), TokenType: "Bearer",
		ExpiresAt: claims.Expiry().Unix(), IssuedAt: claims.IssuedAt.Unix(), NotBefore: claims.IssuedAt.Add(-tokens.Backdate).Unix(),
		Subject: claims.Subject, Audience: claims.Audience, Issuer: claims.Issuer, ID: claims.ID, Session: claims.Session,
	}, nil
}

func (h *Handler) sessionState(ctx context.Context, shown identity.Secret) (state, error) {
	s, found, err := h.session(ctx, shown)
	if err != nil || !found {
		return state{}, err
	}
	return state{
		Active: true, ClientID: s.ClientID, ExpiresAt: s.ExpiresAt.Unix(), IssuedAt: s.CreatedAt.Unix(),
		Subject: s.Person.String(), Audience: s.Service, Session: s.ID,
	}, nil
}

// session finds the session of a refresh token.
func (h *Handler) session(ctx context.Context, shown identity.Secret) (sessions.Session, bool, error) {
	s, found, err := h.Sessions.ByToken(ctx, shown)
	if err != nil {
		return s, false, unavailable("Sessions cannot be looked up at the moment. Try again in a few seconds.", err)
	}
	return s, found, nil
}

// cannotTell reports whether a token could not be verified because the store, which
// knows the keys of other replicas, does not answer.
func cannotTell(err error) bool {
	return err != nil && identity.AsError(err).Kind == identity.Unavailable
}

// isAccessToken tells the two kinds apart: an access token is a JWS in its compact
// form (RFC 7515 section 7.1), and a refresh token has no dot.
func isAccessToken(shown identity.Secret) bool { return strings.Contains(shown.Reveal(), ".") }

func isRevoked(err error) bool {
	_, ok := errors.AsType[*revocation.RevokedError](err)
	return ok
}

// record writes an audit event with what the request tells.
func (h *Handler) record(r *http.Request, e audit.Event) {
	h.Audit.Record(h.event(r, e))
}

func (h *Handler) event(r *http.Request, e audit.Event) audit.Event {
	e.Time, e.SourceIP, e.UserAgent, e.RequestID = h.Clock().UTC(), h.ClientAddr(r), r.UserAgent(), h.RequestID(r)
	return e
}

package verify

import (
	"errors"
	"net/http"

	"drawbridge/audit"
	"drawbridge/store/feed"
	"drawbridge/tokens"
	"drawbridge/tokens/revocation"
)

// stopped answers for a token that is genuine and was revoked, or of which nobody
// can say whether it was.
func (h *Handler) stopped(r *http.Request, pinned, token string, claims tokens.Claims, err error) (outcome, *denial) {
	why, ok := errors.AsType[*revocation.RevokedError](err)
	switch {
	case !ok:
		return unknown, unavailable()
	case why.Kind == feed.RevokeKey:
		return h.withdrawn(r, pinned, token, claims)
	}
	h.note(r, claims, why.Kind)
	return revoked, forbidden("Refused, since " + why.Error() + ". Log in again, or ask a registry admin and quote " + claims.ID + ".")
}

// withdrawn refuses a token whose key was revoked. Its bearer did nothing wrong and
// fetches another one, so that replacing a stolen key ends nobody's push; a thief
// gets none.
func (h *Handler) withdrawn(r *http.Request, pinned, token string, claims tokens.Claims) (outcome, *denial) {
	h.note(r, claims, feed.RevokeKey)
	return revoked, h.unauthorized(r, pinned, token, "The key that signed this token was withdrawn; a new token is needed.")
}

// note writes a refused token into the audit log, once.
func (h *Handler) note(r *http.Request, claims tokens.Claims, why feed.Kind) {
	now := h.Clock()
	if !h.refused.first(claims.ID, now) {
		return
	}
	h.Audit.Record(audit.Event{
		Time: now.UTC(), Action: audit.TokenRefused, Outcome: audit.Failure, Reason: string(why),
		DecisionID: claims.ID, SessionID: claims.Session, Service: claims.Audience,
		Personal: audit.Personal{User: claims.Subject, SourceIP: h.ClientAddr(r)},
	})
}

package oauth2

import (
	"net/http"

	"drawbridge/audit"
	"drawbridge/identity"
	"drawbridge/tokens/revocation"
)

// ownWish is the reason of a revocation that the bearer of the token asked for.
const ownWish = "by its bearer"

// revoke ends what the token stands for.
func (h *Handler) revoke(r *http.Request) (any, error) {
	shown, err := token(r)
	if err != nil {
		return nil, err
	}
	if isAccessToken(shown) {
		return nil, h.revokeAccess(r, shown)
	}
	return nil, h.revokeSession(r, shown)
}

func (h *Handler) revokeAccess(r *http.Request, shown identity.Secret) error {
	claims, err := h.Honoured.Verify(shown.Reveal())
	if cannotTell(err) {
		return unavailable("The token is not revoked: its key cannot be looked up at the moment. Try again in a few seconds.", err)
	}
	if err != nil {
		return nil //nolint:nilerr // RFC 7009 section 2.2: no token of ours is as good as revoked
	}
	if claims.Subject == "" {
		return &failure{
			status: http.StatusBadRequest, code: "unsupported_token_type",
			description: "A token that was made for nobody in particular cannot be revoked; it ends within minutes.",
		}
	}
	if isRevoked(h.Revocations.Check(claims)) {
		return nil // and not written down again, however often it comes
	}
	err = h.Revoker.Token(r.Context(), claims.ID, revocation.Order{By: claims.Subject, Reason: ownWish, Until: claims.Expiry()})
	h.recordRevoked(r, err, audit.Event{
		Action: audit.TokenRevoked, Personal: audit.Personal{User: claims.Subject}, DecisionID: claims.ID, SessionID: claims.Session, Service: claims.Audience,
	})
	if err != nil {
		return unavailable("The token is not revoked: the store does not answer. Try again in a few seconds.", err)
	}
	return nil
}

func (h *Handler) revokeSession(r *http.Request, shown identity.Secret) error {
	s, found, err := h.session(r.Context(), shown)
	if err != nil || !found {
		return err
	}
	subject := s.Person.String()
	err = h.Sessions.End(r.Context(), s.ID, subject, ownWish)
	h.recordRevoked(r, err, audit.Event{
		Action: audit.SessionRevoked, Personal: audit.Personal{User: subject}, SessionID: s.ID, Service: s.Service, ClientID: s.ClientID,
	})
	if err != nil {
		return unavailable("The session goes on: the store does not answer. Try again in a few seconds.", err)
	}
	return nil
}

// recordRevoked records a revocation that was tried: one that is done before the
// answer.
func (h *Handler) recordRevoked(r *http.Request, err error, e audit.Event) {
	if err != nil {
		e.Outcome, e.Reason = audit.Unknown, "store_unavailable"
		h.record(r, e)
		return
	}
	e.Outcome, e.Reason = audit.Success, "bearer"
	h.Audit.Act(r.Context(), h.event(r, e))
}

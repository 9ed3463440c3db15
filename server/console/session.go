package console

import (
	"context"
	"errors"
	"net/http"
	"time"

	"drawbridge/bridge"
	"drawbridge/bridge/manage"
	"drawbridge/connectors"
	"drawbridge/identity"
	"drawbridge/tokens"
	"drawbridge/tokens/revocation"
)

// The limits of a session.
const (
	IdleLimit     = 30 * time.Minute
	AbsoluteLimit = 8 * time.Hour
	// seenEvery is how exact the time of the last request is: a cookie for every
	// request would be work for nothing.
	seenEvery = time.Minute
)

// UncheckedLimit is how long a session lasts where nobody can be asked whether the
// person may still sign in: an identity provider that wants the password for that,
// for instance.
const UncheckedLimit = 15 * time.Minute

// Rechecker asks a connector whether it still vouches for somebody, and for today's
// groups; the connectors' cached chain is one.
type Rechecker interface {
	Recheck(ctx context.Context, id identity.Identity, version string) connectors.Verdict
}

// Revocations knows what is revoked; revocation.List is one.
type Revocations interface {
	Check(claims tokens.Claims) error
}

// ended says that a session is over, and why, as a sentence for its owner.
type ended struct{ why string }

func (e *ended) Error() string { return e.why }

// readSession returns the session that the request shows. Whether it goes on is for
// [Handler.resume] to say.
func (h *Handler) readSession(r *http.Request) (session, error) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return session{}, errNoSession
	}
	sealer, err := newSealer(h.Secret())
	if err != nil {
		return session{}, err
	}
	return sealer.open(cookie.Value)
}

// writeSession sends the session to the browser.
func (h *Handler) writeSession(w http.ResponseWriter, s session) error {
	sealer, err := newSealer(h.Secret())
	if err != nil {
		return err
	}
	text, err := sealer.seal(s)
	if err != nil {
		return err
	}
	setCookie(w, sessionCookie, text)
	return nil
}

// resume says who makes the request, with the rights that they have now. It returns
// an [ended] where the session does not go on, and an [identity.Error] where that
// cannot be told now.
func (h *Handler) resume(ctx context.Context, s session, a manage.Actor) (manage.Actor, error) {
	now := h.Clock()
	limit := AbsoluteLimit
	if !s.Rechecks {
		limit = UncheckedLimit
	}
	switch {
	case now.Sub(s.SeenAt) >= IdleLimit:
		return a, &ended{"You were signed out because nothing was done for a while."}
	case now.Sub(s.VerifiedAt) >= limit:
		return a, &ended{"Your session has reached its longest time. Sign in again to go on."}
	}
	if err := h.checkRevoked(s); err != nil {
		return a, err
	}
	if err := h.checkArmed(s); err != nil {
		return a, err
	}
	who, err := h.recheck(ctx, s)
	if err != nil {
		return a, err
	}
	a, err = h.Desk.As(a, who)
	if identity.AsError(err).Kind == identity.Unauthenticated {
		err = &ended{identity.AsError(err).Message}
	}
	return a, err
}

// checkRevoked asks for the session and for the person.
func (h *Handler) checkRevoked(s session) error {
	err := h.Revocations.Check(tokens.Claims{ID: s.ID, Session: s.ID, Subject: s.Person.String(), AuthTime: s.VerifiedAt})
	if _, revoked := errors.AsType[*revocation.RevokedError](err); revoked {
		return &ended{"Your session was ended. Sign in again to go on."}
	}
	if err != nil {
		return &identity.Error{
			Kind: identity.Unavailable, Err: err, RetryAfter: 5 * time.Second,
			Message: "It cannot be told at the moment whether your session was ended, so nothing is shown. Try again in a few seconds.",
		}
	}
	return nil
}

// checkArmed ends a session of the break-glass account with the arming that it began
// with: the next one has another password.
func (h *Handler) checkArmed(s session) error {
	if s.Person.Kind != identity.BreakGlass {
		return nil
	}
	if arming, armed := h.Desk.Armed(); !armed || arming.ID != s.Version {
		return &ended{"Break-glass is not armed any more."}
	}
	return nil
}

// recheck asks the person's connector for the person of today.
func (h *Handler) recheck(ctx context.Context, s session) (identity.Identity, error) {
	if !s.Rechecks {
		return s.Person, nil
	}
	verdict := h.People.Recheck(ctx, s.Person, s.Version)
	switch verdict.Kind() {
	case connectors.KindGranted:
		who := verdict.Identity()
		who.Method = s.Person.Method
		return who, nil
	case connectors.KindNotMine:
		return identity.Identity{}, &ended{"Your account is not known any more."}
	case connectors.KindDenied:
		return identity.Identity{}, &ended{"Your account may not be used any more, or its password was changed. Sign in again to go on."}
	default:
		return identity.Identity{}, bridge.Refusal(verdict)
	}
}

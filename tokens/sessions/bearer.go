package sessions

import (
	"context"
	"errors"
	"fmt"

	"drawbridge/identity"
	"drawbridge/tokens"
	"drawbridge/tokens/revocation"
)

// ByToken returns the live session of a refresh token, for whoever asks what the
// token is good for or wants it ended. It is not found when the token is none of
// ours, was replaced, or its session is over; the connector is not asked. An error
// means that nobody can say.
func (m *Manager) ByToken(ctx context.Context, shown identity.Secret) (s Session, found bool, err error) {
	t, err := parse(shown)
	if err != nil {
		return Session{}, false, nil //nolint:nilerr // no token is no session
	}
	s, found, err = m.opts.Store.SessionByToken(ctx, t.sessionHash())
	if err != nil || !found || !s.Live(m.opts.Clock()) || !s.Token.Current.Is(t.generationHash()) {
		return Session{}, false, err
	}
	if isRevoked(m.revoked(&s)) {
		return Session{}, false, nil
	}
	return s, true, nil // the store has just said so
}

// End ends a session and all that was made from it, for the actor and in the
// actor's words. That it had ended before is no error. It is durable when End
// returns.
func (m *Manager) End(ctx context.Context, id, by, reason string) error {
	announced, err := m.opts.Store.EndSession(ctx, id, End{At: m.opts.Clock(), By: by, Reason: clip(reason, MaxReason)})
	if err != nil {
		return fmt.Errorf("end session %s: %w", id, err)
	}
	m.announce(ctx, announced)
	return nil
}

// revoked returns a *revocation.RevokedError for a session that was revoked lately,
// and another error where that cannot be told.
func (m *Manager) revoked(s *Session) error {
	if m.opts.Revocations == nil {
		return errNoRevocations
	}
	return m.opts.Revocations.Check(tokens.Claims{Session: s.ID, Subject: s.Person.String(), AuthTime: s.CreatedAt})
}

var errNoRevocations = errors.New("nothing is known of revocations")

func isRevoked(err error) bool {
	_, revoked := errors.AsType[*revocation.RevokedError](err)
	return revoked
}

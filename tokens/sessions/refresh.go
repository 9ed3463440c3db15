package sessions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"drawbridge/connectors"
	"drawbridge/identity"
	"drawbridge/store/feed"
)

// LostAnswer is for how long after a rotation the token that was replaced is taken
// once more, from a client that may not have read the answer.
const LostAnswer = 30 * time.Second

// findTimeout bounds the wait for a store that hangs, before the cache is asked.
const findTimeout = 2 * time.Second

// Shown is a refresh token as a client shows it.
type Shown struct {
	Token identity.Secret
	// Service is the registry that it is shown for.
	Service           string
	ClientID, Address string
}

// Continued is a session that goes on.
type Continued struct {
	// Session has the person as the connector describes them now.
	Session Session
	// Token is what the client is to show next time: the same one, or the next
	// generation.
	Token identity.Secret
	// OtherClient says that the token was shown by another client than the one that
	// logged in, which a session that does not rotate permits.
	OtherClient bool
	// Remembered says that the store does not answer and the cache vouched.
	Remembered bool
}

// Refresh goes on with the session of the token. It fails with a [Refusal] or an
// [Outage].
func (m *Manager) Refresh(ctx context.Context, shown Shown) (Continued, error) {
	t, err := parse(shown.Token)
	if err != nil {
		return Continued{}, &Refusal{Reason: UnknownToken}
	}
	var who *identity.Identity
	for range 3 {
		s, remembered, err := m.find(ctx, t)
		if err == nil {
			err = m.checkRevoked(ctx, s, remembered)
		}
		if err != nil {
			return Continued{}, err
		}
		now := m.opts.Clock().UTC().Truncate(time.Millisecond)
		if reason := check(s, t, shown, now); reason != "" {
			return Continued{}, m.refuse(ctx, s, reason)
		}
		if who == nil {
			if who, err = m.recheck(ctx, s); err != nil {
				return Continued{}, err
			}
		}
		next, err := m.rotate(ctx, s, t, now)
		if errors.Is(err, errOvertaken) {
			continue
		}
		if err != nil {
			return Continued{}, &Outage{Session: s, Err: err}
		}
		s.Person = *who
		use := Use{ID: s.ID, At: now, Address: clip(shown.Address, maxAddress), ClientID: clip(shown.ClientID, maxClientID), Person: kept(*who)}
		if !remembered && now.Sub(s.LastUsedAt) >= recordEvery {
			m.uses.add(*s, use)
		}
		return Continued{*s, next, use.ClientID != s.ClientID, remembered}, nil
	}
	return Continued{}, &Outage{Err: errOvertaken}
}

// errOvertaken is for a token that other requests are using at the same moment.
var errOvertaken = errors.New("the same rotating token is in use by other requests")

// find returns the session of the token, from the cache while the store does not
// answer.
func (m *Manager) find(ctx context.Context, t token) (s *Session, remembered bool, err error) {
	asked, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	stored, found, err := m.opts.Store.SessionByToken(asked, t.sessionHash())
	if err != nil {
		if s := m.recall(ctx, t.sessionHash()); s != nil {
			return s, true, nil
		}
		return nil, false, &Outage{Err: err}
	}
	if !found {
		return nil, false, &Refusal{Reason: UnknownToken}
	}
	return &stored, false, nil
}

// checkRevoked asks what was revoked lately. That has to be known of a session which
// the cache remembers. Of a stored one it is the second look, for one that was begun
// while its person was being revoked, and what it finds is written down.
func (m *Manager) checkRevoked(ctx context.Context, s *Session, remembered bool) error {
	err := m.revoked(s)
	if isRevoked(err) {
		return &Refusal{Reason: Revoked, Session: s, Ended: m.end(ctx, s, Revoked)}
	}
	if err != nil && remembered {
		return &Outage{Session: s, Err: fmt.Errorf("the store does not answer, and neither do the revocations: %w", err)}
	}
	return nil
}

// check returns why the session does not go on, as far as it tells itself.
func check(s *Session, t token, shown Shown, now time.Time) Reason {
	switch {
	case !s.RevokedAt.IsZero():
		return Revoked
	case !now.Before(s.ExpiresAt):
		return Expired
	case shown.Service != s.Service:
		return OtherService
	case s.Rotating && clip(shown.ClientID, maxClientID) != s.ClientID:
		return OtherClient
	case s.Token.Current.Is(t.generationHash()):
		return ""
	case !s.Rotating, t.generation.Empty():
		return UnknownToken // a form of token that this session never had
	case s.Token.Previous.Is(t.generationHash()) && now.Before(s.Token.RotatedAt.Add(LostAnswer)):
		return ""
	}
	return Reused
}

// rotate replaces the generation, or returns the token as it is where none does.
func (m *Manager) rotate(ctx context.Context, s *Session, t token, now time.Time) (identity.Secret, error) {
	if !s.Rotating {
		return t.text(), nil
	}
	next, err := t.next(m.opts.Rand)
	if err != nil {
		return identity.Secret{}, err
	}
	to := TokenState{Current: next.generationHash(), Previous: t.generationHash(), RotatedAt: now}
	if !s.Token.Current.Is(t.generationHash()) {
		to.RotatedAt = s.Token.RotatedAt // the answer was lost; the time for that does not begin anew
	}
	rotated, err := m.opts.Store.RotateSession(ctx, s.ID, s.Token.Current, to)
	if err != nil {
		return identity.Secret{}, err
	}
	if !rotated {
		return identity.Secret{}, errOvertaken
	}
	return next.text(), nil
}

// recheck asks the person's connector.
func (m *Manager) recheck(ctx context.Context, s *Session) (*identity.Identity, error) {
	verdict := m.opts.People.Recheck(ctx, s.Person, s.CredentialVersion)
	switch verdict.Kind() {
	case connectors.KindGranted:
		who := verdict.Identity()
		who.Method = s.Method
		return &who, nil
	case connectors.KindNotMine:
		return nil, m.refuse(ctx, s, PersonGone)
	case connectors.KindDenied:
		return nil, m.refuse(ctx, s, Reason(verdict.Reason()))
	default:
		return nil, &Outage{Session: s, Verdict: verdict, Err: verdict.Cause()}
	}
}

// refuse returns the refusal, and ends the session where the reason does. A store
// that cannot write that down now is told again when the token is shown again.
func (m *Manager) refuse(ctx context.Context, s *Session, reason Reason) *Refusal {
	return &Refusal{Reason: reason, Session: s, Ended: reason.ends() && m.end(ctx, s, reason)}
}

// end ends the session and returns false where it had ended before, or where the
// store does not answer.
func (m *Manager) end(ctx context.Context, s *Session, reason Reason) bool {
	m.forget(ctx, s)
	announced, err := m.opts.Store.EndSession(ctx, s.ID, End{At: m.opts.Clock(), Reason: string(reason)})
	if err != nil {
		m.opts.Log.ErrorContext(ctx, "a session could not be ended; its token is refused all the same",
			"session", s.ID, "reason", reason, "error", err)
	}
	m.announce(ctx, announced)
	return len(announced) > 0
}

func (m *Manager) announce(ctx context.Context, changes []feed.Change) {
	if len(changes) > 0 && m.opts.Changes != nil {
		m.opts.Changes.Announce(ctx, changes...)
	}
}

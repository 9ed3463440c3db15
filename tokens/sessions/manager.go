package sessions

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"drawbridge/cache"
	"drawbridge/connectors"
	"drawbridge/identity"
	"drawbridge/store/feed"
	"drawbridge/tokens"
)

// MostPerPerson bounds the live sessions of one person at one service. Of more,
// those that were not used for the longest time are forgotten: jobs that log in
// again and again must not fill the store.
const MostPerPerson = 500

// keepTimeout bounds the write that a login waits for. Without it the login goes on
// without a refresh token.
const keepTimeout = 2 * time.Second

// Store keeps sessions; package store has one. Whatever it returns as an error
// means that it does not answer, and says nothing about a session.
type Store interface {
	CreateSession(ctx context.Context, s Session, most int) (forgotten []string, err error)
	SessionByToken(ctx context.Context, hash Hash) (s Session, found bool, err error)
	RotateSession(ctx context.Context, id string, expected Hash, to TokenState) (rotated bool, err error)
	// EndSession returns what it has announced: nothing where the session had ended.
	EndSession(ctx context.Context, id string, end End) (announced []feed.Change, err error)
	Upkeep
}

// Upkeep is what runs in the background.
type Upkeep interface {
	RecordUses(ctx context.Context, uses ...Use) error
	CountSessions(ctx context.Context, now time.Time) (int64, error)
	PruneSessions(ctx context.Context, now time.Time) (int64, error)
}

// People can say whether somebody may still log in; connectors.CachedChain can.
type People interface {
	// Recheck is connectors.Rechecker's, and asks once for all who ask the same at
	// the same time.
	Recheck(ctx context.Context, id identity.Identity, version string) connectors.Verdict
}

// Revocations knows what was revoked in any process, also while the store does not
// answer; revocation.List is one.
type Revocations interface {
	// Check returns a *revocation.RevokedError for claims that are revoked, and
	// another error while it cannot tell.
	Check(claims tokens.Claims) error
}

// Announcer tells this process and the others of what the store has announced;
// feed.Writer is one.
type Announcer interface {
	Announce(ctx context.Context, stored ...feed.Change)
}

// Options are what a [Manager] stands on. All are required but the last four.
type Options struct {
	Store  Store
	People People
	// TTL is refresh_ttl.
	TTL   time.Duration
	Clock func() time.Time
	Rand  io.Reader
	Log   *slog.Logger
	// Cache remembers sessions for the time that the store is down, and Revocations
	// says then which are over; without both a refresh needs the store.
	Cache       cache.Cache
	Revocations Revocations
	Changes     Announcer
	Metrics     *Metrics
}

// Manager begins sessions and goes on with them. It is safe for concurrent use.
type Manager struct {
	opts Options
	uses pending
}

// New returns a manager. [Manager.Run] is its background work.
func New(opts Options) *Manager { return &Manager{opts: opts} }

// Start is what a session begins with.
type Start struct {
	// Person is who has just proved who they are.
	Person identity.Identity
	// Version is the connector's word for which password it was.
	Version string
	// VerifiedAt is when the verification began: the beginning of the session.
	VerifiedAt time.Time

	Service, ClientID, Address, UserAgent string
	// Rotating is for a client that takes a new refresh token at each use.
	Rotating bool
}

// Draft is a session that nobody knows of yet. Its ID may go into the access token
// that is made meanwhile.
type Draft struct {
	session Session
	token   token
}

// ID is the session's, should it be kept.
func (d *Draft) ID() string { return d.session.ID }

// Draft makes a session without storing it.
func (m *Manager) Draft(start Start) (*Draft, error) {
	t, err := newToken(m.opts.Rand, start.Rotating)
	if err != nil {
		return nil, err
	}
	id, err := newID(m.opts.Rand)
	if err != nil {
		return nil, err
	}
	began := start.VerifiedAt.UTC().Truncate(time.Millisecond) // as the store has it
	client, address := clip(start.ClientID, maxClientID), clip(start.Address, maxAddress)
	return &Draft{token: t, session: Session{
		ID: id, Person: kept(start.Person), Service: start.Service, ClientID: client,
		Method: start.Person.Method, Rotating: start.Rotating,
		CreatedAt: began, LastUsedAt: began, ExpiresAt: began.Add(m.opts.TTL),
		Address: address, UserAgent: clip(start.UserAgent, maxUserAgent), LastAddress: address, LastClientID: client,
		CredentialVersion: start.Version,
		Token:             TokenState{Session: t.sessionHash(), Current: t.generationHash(), RotatedAt: began},
	}}, nil
}

// Keep stores the session and returns its refresh token. After an error there is no
// session, or one whose token nobody has.
func (m *Manager) Keep(ctx context.Context, d *Draft) (identity.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	forgotten, err := m.opts.Store.CreateSession(ctx, d.session, MostPerPerson)
	if err != nil {
		return identity.Secret{}, fmt.Errorf("keep a session: %w", err)
	}
	if len(forgotten) > 0 {
		m.opts.Log.InfoContext(ctx, "a person has too many sessions; those unused for the longest time are forgotten",
			"user", d.session.Person.String(), "service", d.session.Service, "most", MostPerPerson, "forgotten", forgotten)
	}
	m.remember(ctx, d.session, m.opts.Clock())
	return d.token.text(), nil
}

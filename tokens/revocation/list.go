package revocation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"drawbridge/store/feed"
	"drawbridge/tokens"
)

// ErrUnknown is what [List.Check] returns, wrapped, while nobody can tell what was
// revoked lately: answer 503 and let nothing through.
var ErrUnknown = errors.New("whether the token was revoked is not known now")

// RevokedError says that a token was revoked, and how.
type RevokedError struct {
	// Kind is what was revoked: the token, its session, its person or its key.
	Kind feed.Kind
}

// Error is a sentence that the token's bearer may read.
func (e *RevokedError) Error() string {
	switch e.Kind {
	case feed.RevokeSession:
		return "the session of this token was ended"
	case feed.RevokePerson:
		return "all sessions of this user were ended"
	case feed.RevokeKey:
		return "the key that signed this token was withdrawn"
	default:
		return "this token was revoked"
	}
}

// Feed is where revocations come from; feed.Follower is one.
type Feed interface {
	On(kind feed.Kind, handle func(feed.Change))
	// Fresh returns nil while everything was handed out that was acknowledged more
	// than a second ago.
	Fresh() error
}

// List is what is revoked, in memory. It is safe for concurrent use.
type List struct {
	feed   Feed
	clock  func() time.Time
	hasher hasher

	tokens, sessions, keys table[until]
	people                 table[before]
}

// NewList returns a list that takes what the feed hands out. The clock may be nil,
// which means time.Now.
func NewList(f Feed, clock func() time.Time) *List {
	if clock == nil {
		clock = time.Now
	}
	l := &List{feed: f, clock: clock, hasher: newHasher()}
	f.On(feed.RevokeToken, func(c feed.Change) { l.add(&l.tokens, c) })
	f.On(feed.RevokeSession, func(c feed.Change) { l.add(&l.sessions, c) })
	f.On(feed.RevokeKey, func(c feed.Change) { l.add(&l.keys, c) })
	f.On(feed.RevokePerson, l.addPerson)
	return l
}

func (l *List) add(t *table[until], c feed.Change) {
	end := until(momentOf(c.ExpiresAt))
	t.put(l.hasher.key(c.Value), func(old until, _ bool) until { return max(old, end) })
}

// addPerson keeps the later of two revocations: changes may come twice, after newer
// ones.
func (l *List) addPerson(c feed.Change) {
	now := before{at: c.At.UnixMilli(), end: momentOf(c.ExpiresAt)}
	l.people.put(l.person(c.Value), func(old before, _ bool) before {
		return before{at: max(old.at, now.at), end: max(old.end, now.end)}
	})
}

func (l *List) person(name string) key { return l.hasher.key(strings.ToLower(name)) }

// Check returns nil for claims that nothing revokes, a *[RevokedError] for revoked
// ones, and [ErrUnknown] while it cannot tell. The claims are those of a token that
// tokens.Keys.Verify has accepted.
func (l *List) Check(c tokens.Claims) error {
	// First this: what arrives after it only adds to the list.
	fresh := l.feed.Fresh()
	if kind := l.revoked(c); kind != "" {
		return &RevokedError{kind}
	}
	if fresh != nil {
		return fmt.Errorf("%w: %w", ErrUnknown, fresh)
	}
	return nil
}

// revoked returns what revokes the claims, or the empty string.
func (l *List) revoked(c tokens.Claims) feed.Kind {
	if _, ok := l.tokens.get(l.hasher.key(c.ID)); ok {
		return feed.RevokeToken
	}
	if c.Session != "" {
		if _, ok := l.sessions.get(l.hasher.key(c.Session)); ok {
			return feed.RevokeSession
		}
	}
	if c.Subject != "" {
		verified := c.AuthTime
		if verified.IsZero() {
			verified = c.IssuedAt // in whole seconds, rounded down
		}
		if b, ok := l.people.get(l.person(c.Subject)); ok && verified.UnixMilli() <= b.at {
			return feed.RevokePerson
		}
	}
	if _, ok := l.keys.get(l.hasher.key(c.KeyID)); ok {
		return feed.RevokeKey
	}
	return ""
}

// sweepEvery is how often expired entries are dropped.
const sweepEvery = time.Minute

// Run drops what has expired, until ctx ends.
func (l *List) Run(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.Sweep()
		}
	}
}

// Sweep drops what has expired. The registries' leeway is part of the end that a
// [Revoker] gives.
func (l *List) Sweep() {
	now := momentOf(l.clock())
	l.tokens.sweep(now)
	l.sessions.sweep(now)
	l.keys.sweep(now)
	l.people.sweep(now)
}

// Live counts what is revoked, by what it is.
func (l *List) Live() map[feed.Kind]int {
	return map[feed.Kind]int{
		feed.RevokeToken: l.tokens.len(), feed.RevokeSession: l.sessions.len(),
		feed.RevokePerson: l.people.len(), feed.RevokeKey: l.keys.len(),
	}
}

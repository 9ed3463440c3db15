package connectors

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"drawbridge/identity"
)

// Link is one connector's place in a [Chain].
type Link struct {
	Connector Connector
	// Match is which usernames are sent to it; the zero value is all of them. An
	// [Owner] knows that itself, and Match only shows it to people.
	Match identity.UsernamePattern
	// NextOnUnavailable passes over the connector while its backend is down or
	// misconfigured (`on_unavailable: next`) instead of stopping.
	NextOnUnavailable bool
}

// Chain asks connectors in order. It is immutable and safe for concurrent use.
type Chain struct {
	owners []Link // each an Owner
	links  []Link
}

// NewChain returns a chain that asks the links in the given order. Every [Owner]
// comes before all others, wherever it stands.
func NewChain(links ...Link) *Chain {
	c := &Chain{}
	for _, link := range links {
		if _, ok := link.Connector.(Owner); ok {
			c.owners = append(c.owners, link)
		} else {
			c.links = append(c.links, link)
		}
	}
	return c
}

// owner returns the connector to which the credential belongs alone, nil for none.
func (c *Chain) owner(cred identity.Credential) Owner {
	for _, link := range c.owners {
		if owner, ok := link.Connector.(Owner); ok && owner.Owns(cred) {
			return owner
		}
	}
	return nil
}

// Verdict is what the chain as a whole says of a credential.
type Verdict struct {
	Outcome
	// Connector is the one that answered; empty when none knew the username or
	// the credential was refused before any was asked.
	Connector string
	// Skipped are the connectors that were down and passed over because their
	// configuration says so. Each use is worth an audit event.
	Skipped []string
	// Stale says that the connector is unavailable and vouched for the same
	// credential a while ago.
	Stale bool
	// Remembered says that nobody was asked: the same credential was verified a
	// moment ago. Only [CachedChain] sets it, and not on refusals.
	Remembered bool
	// VerifiedAt is when the verification began that a grant rests on: of one that
	// is remembered, the one that it was remembered from. Only [CachedChain] sets it.
	VerifiedAt time.Time
	// RetryAfter is how long to wait after too many failures; zero otherwise.
	RetryAfter time.Duration
}

// Authenticate asks the [Owner] of the credential, or else the connectors in order
// until one answers anything but NotMine. It refuses credentials that no backend may see: empty (an empty
// password is an LDAP "unauthenticated bind", which succeeds: RFC 4513 section
// 5.1.2), over the limits, with a NUL, or not UTF-8.
//
// When a connector was passed over and no other one knows the username, the
// verdict is Unavailable and not NotMine: the caller may well be known to the
// one that is down.
func (c *Chain) Authenticate(ctx context.Context, cred identity.Credential) Verdict {
	if reason := refuse(cred); reason != "" {
		return Verdict{Outcome: Denied(reason)}
	}
	if owner := c.owner(cred); owner != nil {
		return Verdict{Outcome: authenticate(ctx, owner, cred), Connector: owner.Name()}
	}
	var skipped []string
	var cause error
	for _, link := range c.links {
		if !link.Match.Match(cred.Username) {
			continue
		}
		outcome := authenticate(ctx, link.Connector, cred)
		switch outcome.Kind() {
		case KindNotMine:
			continue
		case KindUnavailable, KindMisconfigured:
			// A caller who hung up is no outage of the connector.
			if link.NextOnUnavailable && ctx.Err() == nil {
				skipped = append(skipped, link.Connector.Name())
				cause = errors.Join(cause, outcome.Cause())
				continue
			}
		case KindGranted, KindDenied, kindUnset:
		}
		return Verdict{Outcome: outcome, Connector: link.Connector.Name(), Skipped: skipped}
	}
	if skipped != nil {
		return Verdict{Outcome: Unavailable(cause), Connector: skipped[0], Skipped: skipped}
	}
	return Verdict{Outcome: NotMine()}
}

// Recheck asks the connector that vouched for the person, and no other one, whether
// it still does; see [Rechecker]. A connector that is no longer there, or cannot
// tell, is Denied([CannotRecheck]), which says nothing about the person.
func (c *Chain) Recheck(ctx context.Context, id identity.Identity, version string) Verdict {
	for _, link := range c.links {
		if link.Connector.Name() != id.Connector {
			continue
		}
		checker, ok := link.Connector.(Rechecker)
		if !ok {
			break
		}
		outcome := recheck(ctx, link.Connector.Name(), checker, id, version)
		if now := outcome.Identity(); outcome.Kind() == KindGranted && (now.Connector != id.Connector || now.StableID != id.StableID) {
			outcome = NotMine() // whoever that is, it is somebody else
		}
		return Verdict{Outcome: outcome, Connector: id.Connector}
	}
	return Verdict{Outcome: Denied(CannotRecheck), Connector: id.Connector}
}

// refuse returns why no connector may see the credential, or the empty string.
func refuse(cred identity.Credential) Reason {
	user, password := cred.Username, cred.Password.Reveal()
	switch {
	case user == "", len(user) > MaxUsername, strings.ContainsRune(user, 0), !utf8.ValidString(user):
		return BadUsername
	case password == "", len(password) > MaxPassword, strings.ContainsRune(password, 0):
		return BadPassword
	}
	return ""
}

package robot

import (
	"context"
	"fmt"
	"strings"
	"time"

	"drawbridge/connectors"
	"drawbridge/identity"
)

// ConnectorName is what logs, metrics and commands call the connector. No entry of
// the configuration may have the name.
const ConnectorName = "robot"

var (
	_ connectors.Owner     = (*Connector)(nil)
	_ connectors.Looker    = (*Connector)(nil)
	_ connectors.Describer = (*Connector)(nil)
)

// Connector verifies robots.
type Connector struct {
	roster *Roster
	uses   *Uses
	clock  func() time.Time
}

// New returns a connector that knows the robots of the roster and reports their
// logins to uses, or to nobody where that is nil.
func New(roster *Roster, uses *Uses, clock func() time.Time) *Connector {
	return &Connector{roster, uses, clock}
}

// Name implements [connectors.Connector].
func (*Connector) Name() string { return ConnectorName }

// Owns implements [connectors.Owner].
func (*Connector) Owns(cred identity.Credential) bool { return Owns(cred) }

// Owns reports whether a credential is a robot's by its form: a robot's username, or
// a robot's secret with whatever username.
func Owns(cred identity.Credential) bool {
	return claims(cred.Username) || strings.HasPrefix(cred.Password.Reveal(), SecretPrefix)
}

// Authenticate implements [connectors.Connector]. It does no I/O and never answers
// NotMine.
func (c *Connector) Authenticate(_ context.Context, cred identity.Credential) connectors.Outcome {
	bot, known, err := c.roster.find(cred.Username)
	if err != nil {
		return connectors.Unavailable(err)
	}
	if bot == nil {
		return connectors.Denied(connectors.UnknownRobot)
	}
	id, now, address := bot.identity(), c.clock(), parseAddress(cred.Address)
	secret, reason := known.secret(bot, cred.Password)
	switch {
	case reason != "":
	case bot.refusal(now) != "":
		reason = bot.refusal(now)
	case !now.Before(secret.ExpiresAt):
		reason = connectors.SecretExpired
	case !bot.allows(address):
		reason = connectors.AddressRefused
	}
	if reason != "" {
		return connectors.Denied(reason).About(id.String())
	}
	if c.uses != nil {
		use := Use{SecretID: secret.ID, At: now}
		if address.IsValid() {
			use.Address = address.String()
		}
		c.uses.used(use)
	}
	return connectors.Granted(id)
}

// Lookup implements [connectors.Looker].
func (c *Connector) Lookup(ctx context.Context, username string) connectors.Outcome {
	outcome, _ := c.Describe(ctx, username)
	return outcome
}

// Describe implements [connectors.Describer].
func (c *Connector) Describe(_ context.Context, username string) (connectors.Outcome, connectors.Description) {
	bot, _, err := c.roster.find(username)
	if err != nil {
		return connectors.Unavailable(err), connectors.Description{}
	}
	if bot == nil {
		return connectors.Denied(connectors.UnknownRobot), connectors.Description{}
	}
	now := c.clock()
	description := connectors.Description{Entry: bot.describe(now)}
	if reason := bot.refusal(now); reason != "" {
		return connectors.Denied(reason).About(bot.identity().String()), description
	}
	return connectors.Granted(bot.identity()), description
}

// secret finds the robot's secret, or says what is wrong with what was typed.
func (s *snapshot) secret(bot *Robot, typed identity.Secret) (*Secret, connectors.Reason) {
	hash, wellFormed := hashOf(typed)
	if !wellFormed {
		return nil, connectors.MalformedSecret
	}
	held, ok := s.secrets[hash]
	switch {
	case !ok:
		return nil, connectors.UnknownSecret
	case held.robot != bot:
		return nil, connectors.OthersSecret
	}
	return held.secret, ""
}

// refusal is why the robot may not log in whatever its secret is; empty when it may.
func (r Robot) refusal(now time.Time) connectors.Reason {
	switch r.State(now) {
	case Expired:
		return connectors.AccountExpired
	case Disabled:
		return connectors.AccountDisabled
	case Active, Expiring:
	}
	return ""
}

// identity is who the robot is. It is in no group.
func (r Robot) identity() identity.Identity {
	return identity.Identity{Kind: identity.Robot, Name: r.Name}
}

// describe is what an administrator wants to know of a robot's login.
func (r Robot) describe(now time.Time) string {
	text := fmt.Sprintf("owner %s, expires %s, %d live secrets", r.Owner, r.ExpiresAt.UTC().Format(time.RFC3339), len(r.Live(now)))
	for i, cidr := range r.CIDRs {
		if i == 0 {
			text += ", only from"
		}
		text += " " + cidr.String()
	}
	return text
}

package manage

import (
	"context"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/connectors/breakglass"
	"drawbridge/identity"
)

// Return lets somebody in who was at the door lately and holds something that says
// so. Their groups are asked for again, without a password, so that they have the
// rights of now; whose connector cannot tell them has to show the password.
func (d *Door) Return(ctx context.Context, a Actor, who identity.Identity) (Actor, error) {
	if who.Kind == identity.BreakGlass {
		// Only for the arming whose password was shown: another one has another.
		if now, armed := d.Desk.Armed(); armed && !a.VerifiedAt.Before(now.ArmedAt) {
			return d.Desk.As(a, breakglass.Identity())
		}
	}
	if who.Kind != identity.User {
		return a, &identity.Error{Kind: identity.Unauthenticated, Message: "Only people are known without their password here."}
	}
	id, err := d.Desk.People.Lookup(ctx, who)
	if err != nil {
		if kind := identity.AsError(err).Kind; kind != identity.Unavailable && kind != identity.Internal {
			return a, &identity.Error{Kind: identity.Unauthenticated, Message: "You are not known any more, or only by your password.", Err: err}
		}
		return a, err
	}
	if id.String() != who.String() {
		return a, &identity.Error{Kind: identity.Unauthenticated, Message: "You have another name now; sign in again."}
	}
	return d.Desk.As(a, id)
}

// As returns the actor as somebody whom a connector vouches for, with the rights of
// now.
func (d *Desk) As(a Actor, id identity.Identity) (Actor, error) {
	policy := d.InForce().Policy
	if policy == nil {
		return a, &identity.Error{Kind: identity.Unavailable, Message: "The policy is not loaded yet. Try again in a few seconds."}
	}
	a.Identity, a.Name = id, id.String()
	if id.Kind == identity.BreakGlass {
		return d.asBreakGlass(a)
	}
	subject := policy.Subject(id)
	a.Capabilities = policy.Capabilities(&subject, d.Clock())
	return a, nil
}

// asBreakGlass gives the rights of an administrator, not from the policy, of which
// no binding may be left that makes one, and for as long as break-glass is armed.
func (d *Desk) asBreakGlass(a Actor) (Actor, error) {
	if _, armed := d.Armed(); armed {
		a.Capabilities = authz.Capabilities(authz.ReadAudit | authz.WritePolicy)
		return a, nil
	}
	return a, &identity.Error{Kind: identity.Unauthenticated, Message: "Break-glass is not armed any more."}
}

// TokenMade writes into the audit log that somebody was given a token for the
// administration.
func (d *Desk) TokenMade(ctx context.Context, a Actor, id, audience string) {
	d.act(ctx, a, audit.Event{Action: audit.TokenIssued, DecisionID: id, Service: audience})
}

// Armed returns the arming of break-glass that is in force.
func (d *Desk) Armed() (breakglass.Arming, bool) {
	if d.BreakGlass == nil {
		return breakglass.Arming{}, false
	}
	return d.BreakGlass()
}

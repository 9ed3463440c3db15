package manage

import (
	"context"

	"drawbridge/authz"
	"drawbridge/bridge"
	"drawbridge/connectors"
	"drawbridge/identity"
)

// Authenticator verifies a caller's credential; the connectors' chain is one.
type Authenticator interface {
	Authenticate(ctx context.Context, cred identity.Credential) connectors.Verdict
}

// Door is where somebody shows who they are before they come to the [Desk].
type Door struct {
	Connectors Authenticator
	Desk       *Desk
	// EachRequest says that callers show the credential with each request.
	EachRequest bool
}

// Enter says who the caller is and which rights they have in Drawbridge itself, by
// the policy in force. a is what is known of them without that: the address and the
// request. The errors are [identity.Error] values.
func (d *Door) Enter(ctx context.Context, a Actor, cred identity.Credential) (Actor, error) {
	a, _, err := d.Admit(ctx, a, cred)
	return a, err
}

// Admit is Enter for a way in that lets somebody stay: it also returns what the
// connectors said.
func (d *Door) Admit(ctx context.Context, a Actor, cred identity.Credential) (Actor, connectors.Verdict, error) {
	if cred.Username == "" && cred.Password.Empty() {
		return a, connectors.Verdict{}, &identity.Error{
			Kind: identity.Unauthenticated, Message: "Send the username and password of a registry login as HTTP Basic.",
		}
	}
	cred.Address = a.Address
	verdict := d.Connectors.Authenticate(ctx, cred)
	d.Desk.SignIn(a, verdict, d.EachRequest)
	if verdict.Kind() != connectors.KindGranted {
		return a, verdict, bridge.Refusal(verdict)
	}
	if verdict.Stale {
		// What is remembered of somebody is good enough to pull, and not to give
		// rights to others.
		return a, verdict, &identity.Error{
			Kind: identity.Unavailable, Message: "Your directory does not answer, and administration takes a fresh check. Try again later.",
		}
	}
	a.VerifiedAt = verdict.VerifiedAt
	if a.VerifiedAt.IsZero() { // by a connector whose answers are not remembered
		a.VerifiedAt = d.Desk.Clock()
	}
	a, err := d.Desk.As(a, verdict.Identity())
	return a, verdict, err
}

// MayReadAudit returns an error unless the actor may read the audit log, and with
// it what somebody else is doing.
func (a Actor) MayReadAudit() error { return a.need(authz.ReadAudit) }

package manage

import (
	"fmt"
	"time"

	"drawbridge/authz"
	"drawbridge/identity"
)

// Actor is who asks.
type Actor struct {
	// Name is the qualified name, corp/alice, or cli:root for somebody who works
	// on the files of the host itself.
	Name string
	// Identity is the caller; the zero value for an operator on the host.
	Identity     identity.Identity
	Capabilities authz.Capabilities
	// Session names the session that they sign in to or out of; empty: none.
	Session string
	// VerifiedAt is when the verification of the password began that let the caller
	// in; zero where there was none.
	VerifiedAt time.Time
	// Address is where the request came from; empty on the host.
	Address, RequestID, UserAgent string
}

// Operator is somebody who can read the configuration and the store on the host,
// and for whom a refusal would only be a detour.
func Operator(name string) Actor {
	return Actor{Name: name, Capabilities: authz.Capabilities(authz.ReadAudit | authz.WritePolicy)}
}

// need returns an error unless the actor holds the capability.
func (a Actor) need(c authz.Capability) error {
	if a.Capabilities.Has(c) {
		return nil
	}
	role := "auditor or policy-admin"
	if c == authz.WritePolicy {
		role = "policy-admin"
	}
	return &identity.Error{
		Kind: identity.Forbidden,
		Message: fmt.Sprintf("%s may not do this: it takes the capability %s, which a binding with the role %s gives.",
			a.Name, authz.Capabilities(c).Names()[0], role),
	}
}

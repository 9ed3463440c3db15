package bridge

import (
	"time"

	"drawbridge/authz"
	"drawbridge/identity"
)

// Request is a token request, parsed.
type Request struct {
	// Service is the registry that wants the token, as its challenge named it.
	Service string
	// Scopes are what is asked for; none is a login probe.
	Scopes []authz.Scope
	// Credential is what the caller showed; the zero value is anonymous.
	Credential identity.Credential
	// RefreshToken is shown instead of a credential; empty when it was not.
	RefreshToken identity.Secret
	// Offline asks for a refresh token beside the access token. Rotating says that
	// the client takes a new one at each use, which docker for one does not.
	Offline, Rotating bool
	// ClientID is what the client calls itself. Nothing proves it.
	ClientID string

	// The rest is for the audit log.
	SourceIP  string
	UserAgent string
	RequestID string
}

// Answer is a signed token and what a client is told about it.
type Answer struct {
	Token string
	TTL   time.Duration
	// Scope is what was granted, in the form it is asked for, separated by spaces.
	Scope string
	// RefreshToken is for a client that asked for one or has shown one; else empty.
	RefreshToken identity.Secret
}

// Registry is one registry that may ask for tokens.
type Registry struct {
	Service string
	// Issuer is the token's iss, as the registry's own configuration has it.
	Issuer string
	// Explain refuses an authenticated caller who is granted nothing with a
	// reason, where the specification's answer is a token without rights.
	Explain bool
	// RefreshTokens permits logins that last; without it no refresh token is handed
	// out or honoured.
	RefreshTokens bool
}

// Revision is a policy document in force.
type Revision struct {
	// ID names the document in audit events.
	ID     string
	Policy *authz.Policy
	// Text is the document as it was written.
	Text string
}

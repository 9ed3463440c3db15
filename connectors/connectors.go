package connectors

import (
	"context"

	"drawbridge/identity"
)

// Connector verifies credentials against one backend. Implementations are safe
// for concurrent use, honour ctx, and never log the password.
type Connector interface {
	// Name is the name from the configuration, the first half of corp/alice.
	Name() string
	// Authenticate verifies one credential. The username is neither empty nor
	// over [MaxUsername] bytes, the password neither empty nor over
	// [MaxPassword] bytes, and neither holds a NUL: [Chain] has seen to that.
	Authenticate(ctx context.Context, cred identity.Credential) Outcome
}

// Looker is a connector that can find a person without a password: for refresh
// tokens, for `drawbridge login-test`, and to warm a cache.
type Looker interface {
	// Lookup answers Granted with the person and the groups, or any outcome but
	// a Denied for a wrong password.
	Lookup(ctx context.Context, username string) Outcome
}

// Limits on a credential, in bytes. Longer ones are denied before any I/O.
const (
	MaxUsername = 256
	MaxPassword = 4096
)

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

// Looker is a connector that can find a person without a password, for
// `drawbridge login-test` and `access explain`.
type Looker interface {
	// Lookup answers Granted with the person and the groups, or any outcome but
	// a Denied for a wrong password.
	Lookup(ctx context.Context, username string) Outcome
}

// Owner is a connector to which credentials belong by their form alone, such as
// those of robots. Nobody else is shown them, and its word is final: NotMine, too,
// is a refusal. What it says is neither remembered nor counted as a wrong
// password ([CachedChain]), so an Owner answers from memory, what it refuses it
// refuses at once, and it bears a flood by itself.
type Owner interface {
	Connector
	// Owns reports whether the credential is the connector's. Where somebody is
	// looked up there is no password.
	Owns(cred identity.Credential) bool
}

// Rechecker is a connector that can tell without a password whether somebody it
// has granted may still log in: each use of a refresh token asks it.
type Rechecker interface {
	// Recheck looks for the person behind an identity that the connector granted,
	// by the stable ID where there is one: somebody who was renamed is found, and
	// another one who got the name is not. The version is that of the password
	// which was proved (see [Outcome.WithVersion]). The answer is
	//
	//   - Granted with today's name and groups;
	//   - NotMine: there is no such person any more;
	//   - Denied: [PasswordChanged] where the password is another one by now, else
	//     why the account may not log in;
	//   - Unavailable or Misconfigured.
	//
	// It is the backend's word of this moment, and not what the connector remembers:
	// [CachedChain] decides for how long an answer stands.
	Recheck(ctx context.Context, id identity.Identity, version string) Outcome
}

// Limits on a credential, in bytes. Longer ones are denied before any I/O.
const (
	MaxUsername = 256
	MaxPassword = 4096
)

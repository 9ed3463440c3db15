package feed

import "time"

// Kind says what changed. The list is closed; a process that reads a kind it does
// not know, because a newer one wrote it, ignores it.
type Kind string

// The kinds, and what Value holds.
const (
	// RevokeToken refuses one access token; Value is its jti.
	RevokeToken Kind = "revoke_token"
	// RevokeSession ends a session with all its tokens; Value is the session's ID.
	RevokeSession Kind = "revoke_session"
	// RevokePerson refuses every token and ends every session of a person or robot
	// that began at or before Change.At; Value is the qualified name: corp/alice,
	// robot:ci.
	RevokePerson Kind = "revoke_person"
	// RevokeKey refuses every token that a key has signed; Value is its kid.
	RevokeKey Kind = "revoke_key"
	// Forget drops what is cached about a person; Value is corp/alice, or alice
	// for the person of that name in every connector.
	Forget Kind = "forget"
	// RobotsChanged announces an edited robot; Value is its name.
	RobotsChanged Kind = "robots_changed"
	// KeysChanged announces a new or removed signing key; Value is its kid.
	KeysChanged Kind = "keys_changed"
	// PolicyChanged announces a saved policy; Value is the revision's ID.
	PolicyChanged Kind = "policy_changed"
	// BreakGlassChanged announces that break-glass was armed or ended; Value is the
	// arming's ID.
	BreakGlassChanged Kind = "break_glass_changed"
)

// Change is one entry.
type Change struct {
	// Seq is the entry's number, handed out by the store, growing without an end.
	Seq   int64     `json:"seq"`
	Kind  Kind      `json:"kind"`
	Value string    `json:"value"`
	At    time.Time `json:"at"`
	// By is who did it, as audit events name an actor; Reason is their word for why.
	By     string `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"`
	// ExpiresAt is when the entry has lost its meaning, because whatever it
	// concerns has expired by itself.
	ExpiresAt time.Time `json:"expires_at"`
}

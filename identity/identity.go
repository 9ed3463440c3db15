package identity

import "slices"

// Kind tells people, robots and anonymous callers apart.
type Kind uint8

// The kinds of caller. The zero value is the one with the fewest rights.
const (
	Anonymous Kind = iota
	User
	Robot
	// BreakGlass is whoever was let in on the host while the directory is down. It
	// administers, and to a registry it is as good as anonymous.
	BreakGlass
)

// String returns the kind's name as logs and the command line print it.
func (k Kind) String() string {
	switch k {
	case User:
		return "user"
	case Robot:
		return "robot"
	case BreakGlass:
		return "break-glass"
	case Anonymous:
		return "anonymous"
	}
	return "invalid"
}

// RobotPrefix begins the username that a robot logs in with: robot.ci. No person's
// does.
const RobotPrefix = "robot."

// Method is how a session began. It is recorded so that a policy or an audit
// can tell a password from a stronger proof.
type Method string

// The methods this version knows.
const (
	MethodNone     Method = ""         // the anonymous caller showed nothing
	MethodPassword Method = "password" // a password, verified by a connector
)

// Identity is a caller as a connector vouches for it. The zero value is the
// anonymous caller.
type Identity struct {
	Kind Kind `json:"kind"`
	// Connector is the name of the configured connector that vouches. It is
	// empty for anonymous callers and robots.
	Connector string `json:"connector,omitempty"`
	// Name is the canonical name, spelled as the connector's backend spells it.
	Name string `json:"name,omitempty"`
	// StableID survives a rename: entryUUID, objectGUID, an ID token's sub.
	// Empty when the backend has none.
	StableID string `json:"stable_id,omitempty"`
	// Mail is informational and never used for a decision.
	Mail string `json:"mail,omitempty"`
	// Groups are group names of the same connector, sorted, without duplicates.
	Groups []string `json:"groups,omitempty"`
	// Method is how the caller proved who they are.
	Method Method `json:"method,omitempty"`
}

// String returns the qualified name: corp/alice, robot:ci, or the empty string
// for the anonymous caller. It is the subject claim of access tokens.
func (id Identity) String() string {
	switch id.Kind {
	case User, BreakGlass:
		return id.Connector + "/" + id.Name
	case Robot:
		return "robot:" + id.Name
	case Anonymous:
	}
	return ""
}

// NormalizeGroups returns the groups sorted and without duplicates or empty
// names, as [Identity.Groups] promises. It may reuse the slice it is given.
func NormalizeGroups(groups []string) []string {
	groups = slices.DeleteFunc(groups, func(g string) bool { return g == "" })
	slices.Sort(groups)
	return slices.Compact(groups)
}

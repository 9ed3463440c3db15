package authz

import "strings"

// Capability is a right in Drawbridge itself. Capabilities are kept apart from
// registry actions: no token carries one, and only built-in roles grant them.
type Capability uint8

// The capabilities.
const (
	ReadAudit   Capability = 1 << iota // read the audit log and other people's access
	WritePolicy                        // change the policy; includes reading it and the audit log
	// OwnNamespace is changing the bindings whose repositories lie within those
	// of the binding that grants it, and looking after robots there.
	OwnNamespace
)

// Capabilities is a set of capabilities. The zero value is the empty set.
type Capabilities uint8

// Has reports whether the set holds the capability.
func (s Capabilities) Has(c Capability) bool { return s&Capabilities(c) != 0 }

// Names returns the names of the capabilities in a fixed order.
func (s Capabilities) Names() []string {
	names := []string{}
	if s.Has(ReadAudit) {
		names = append(names, "read-audit")
	}
	if s.Has(WritePolicy) {
		names = append(names, "write-policy")
	}
	if s.Has(OwnNamespace) {
		names = append(names, "own-namespace")
	}
	return names
}

// Role is a named set of rights.
type Role struct {
	Name         string
	Actions      Actions
	Capabilities Capabilities
	// Line is where the document defines the role; 0 for a built-in one.
	Line int
}

// BuiltinRoles returns the roles every policy knows without defining them.
func BuiltinRoles() []Role {
	return []Role{
		{Name: "puller", Actions: ActionsOf(Pull)},
		{Name: "pusher", Actions: ActionsOf(Pull, Push)},
		{Name: "maintainer", Actions: ActionsOf(Pull, Push, Delete)},
		{Name: "catalog-reader", Actions: ActionsOf(Catalog)},
		{Name: "auditor", Capabilities: Capabilities(ReadAudit)},
		{Name: "policy-admin", Capabilities: Capabilities(ReadAudit | WritePolicy)},
		{Name: "namespace-owner", Capabilities: Capabilities(OwnNamespace)},
	}
}

// Rights returns what the role grants, for people to read: "pull, push".
func (r Role) Rights() string {
	return strings.Join(append(r.Actions.Names(), r.Capabilities.Names()...), ", ")
}

// onRepositories reports whether the role grants something that concerns single
// repositories, so that a binding has to say which.
func (r Role) onRepositories() bool {
	return r.Actions&repositoryActions != 0 || r.Capabilities.Has(OwnNamespace)
}

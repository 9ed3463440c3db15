package authz

import "time"

// Document is a policy as it was written: checked value by value, not yet
// indexed. It is not changed after Parse returned it.
type Document struct {
	// Name is what Parse was given, usually a file name. Problems begin with it.
	Name       string
	Roles      []Role
	Bindings   []Binding
	Guardrails []Guardrail
	Tests      []Test
}

// Binding grants a role to subjects.
type Binding struct {
	Name     string
	Role     Role
	Subjects []Principal
	// Repositories is empty only when the role grants nothing on repositories.
	Repositories []Pattern
	// Registries are the services the binding is limited to; empty: all.
	Registries []string
	// Expires is when the binding stops granting; zero: never.
	Expires time.Time
	Reason  string
	Line    int
}

// Guardrail takes actions away from everybody but its exceptions, whatever any
// binding grants.
type Guardrail struct {
	Name string
	Deny Actions
	// Repositories is empty only when Deny is no more than the catalog.
	Repositories []Pattern
	Except       []Principal
	// Registries are the services the guardrail is limited to; empty: all.
	Registries []string
	Reason     string
	Line       int
}

// Test is an expectation that the document states about itself.
type Test struct {
	As TestCaller
	// Registry is the service to test with; empty: every one, see the package
	// documentation.
	Registry string
	// Scope is what the caller asks for, every action of the resource.
	Scope Scope
	Allow Actions
	Deny  Actions
	// At is the time to test with; zero: while every binding is live.
	At   time.Time
	Line int
}

// liveAt reports whether the binding has not expired. A binding grants up to
// and not including its time. The zero time is before every expiry.
func (b *Binding) liveAt(now time.Time) bool {
	return b.Expires.IsZero() || now.Before(b.Expires)
}

// coversRegistry reports whether a list of registries includes the service; an
// empty list includes every one.
func coversRegistry(registries []string, service string) bool {
	return len(registries) == 0 || containsString(registries, service)
}

func containsString(list []string, s string) bool {
	for _, item := range list {
		if item == s {
			return true
		}
	}
	return false
}

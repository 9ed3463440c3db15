package authz

import (
	"time"

	"drawbridge/identity"
)

// Holding is a binding that names a caller. It is for administrators: what it
// grants on one repository, after the guardrails, is what [Policy.Explain] says.
type Holding struct {
	Binding string `json:"binding"`
	Role    string `json:"role"`
	// Rights are the role's actions and capabilities.
	Rights []string `json:"rights"`
	// Through lists those of the binding's subjects that the caller is.
	Through []string `json:"through"`
	// Repositories are patterns, empty where the role concerns none.
	Repositories []string `json:"repositories"`
	// Registries are the services the binding is limited to; empty: all.
	Registries []string  `json:"registries,omitempty"`
	Expires    time.Time `json:"expires,omitzero"`
	// Expired bindings grant nothing. They are listed because people ask why
	// they may no longer do what they did yesterday.
	Expired bool `json:"expired"`
	Line    int  `json:"line"`
}

// Bindings returns the bindings that name the caller, in the order of the
// document, and by which of their subjects. Like [Policy.Subject] it takes an
// incomplete identity for the anonymous caller.
func (p *Policy) Bindings(id identity.Identity, now time.Time) []Holding {
	s := p.Subject(id)
	held := []Holding{}
	for i := range p.doc.Bindings {
		b := &p.doc.Bindings[i]
		var through []string
		for _, subject := range b.Subjects {
			if subject.matches(s.id) {
				through = append(through, subject.String())
			}
		}
		if through == nil {
			continue
		}
		h := Holding{
			Binding: b.Name, Role: b.Role.Name, Through: through, Registries: b.Registries,
			Rights:       append(b.Role.Actions.Names(), b.Role.Capabilities.Names()...),
			Repositories: make([]string, len(b.Repositories)),
			Expires:      b.Expires, Expired: !b.liveAt(now), Line: b.Line,
		}
		for i, pattern := range b.Repositories {
			h.Repositories[i] = pattern.String()
		}
		held = append(held, h)
	}
	return held
}

package authz

import (
	"fmt"
	"reflect"
	"time"
)

// isNamespace reports whether the pattern is a part of a registry that can be
// given into somebody's hands: literal segments and then **.
func (p *Pattern) isNamespace() bool {
	prefix := p.literalPrefix()
	return prefix > 0 && prefix == len(p.segments)-1 && p.segments[prefix].kind == restSegment
}

// contains reports whether every repository that the pattern can match, for
// anybody, lies in the namespace.
func (p *Pattern) contains(other *Pattern) bool {
	prefix := p.literalPrefix()
	if other.literalPrefix() < prefix || len(other.segments) <= prefix {
		return false
	}
	for i := range prefix {
		if p.segments[i].text != other.segments[i].text {
			return false
		}
	}
	return true
}

// Namespaces returns the patterns of the live namespace-owner bindings that name
// the caller.
func (p *Policy) Namespaces(s *Subject, now time.Time) []Pattern {
	var owned []Pattern
	for i := range p.doc.Bindings {
		b := &p.doc.Bindings[i]
		if !b.Role.Capabilities.Has(OwnNamespace) || !b.liveAt(now) {
			continue
		}
		for _, subject := range b.Subjects {
			if subject.matches(s.id) {
				owned = append(owned, b.Repositories...)
				break
			}
		}
	}
	return owned
}

// Within reports whether every pattern of the binding lies in one of the
// namespaces, and the binding grants nothing that reaches beyond them.
func Within(namespaces []Pattern, b *Binding) bool {
	if b.Role.Capabilities != 0 || b.Role.Actions.Has(Catalog) || len(b.Repositories) == 0 {
		return false
	}
	for i := range b.Repositories {
		inside := false
		for j := range namespaces {
			inside = inside || namespaces[j].contains(&b.Repositories[i])
		}
		if !inside {
			return false
		}
	}
	return true
}

// Trespass returns what a draft changes outside of the namespaces, as a sentence;
// empty: nothing. Inside them bindings may be added, changed and removed, as long
// as they grant no capability and not the catalog. Roles, guardrails and other
// people's bindings and tests are outside; so is the order of the document.
func Trespass(from, to *Document, namespaces []Pattern) string {
	if !reflect.DeepEqual(withoutLines(from), withoutLines(to)) {
		return "it changes roles, guardrails or tests"
	}
	old, draft := outside(from, namespaces), outside(to, namespaces)
	for i := range draft {
		if i >= len(old) || !reflect.DeepEqual(old[i], draft[i]) {
			return fmt.Sprintf("the binding %q reaches beyond, or did before", draft[i].Name)
		}
	}
	if len(old) > len(draft) {
		return fmt.Sprintf("the binding %q is not yours to remove", old[len(draft)].Name)
	}
	return ""
}

// outside returns the bindings that are not the namespaces', without their lines.
func outside(d *Document, namespaces []Pattern) []Binding {
	var list []Binding
	for i := range d.Bindings {
		b := d.Bindings[i]
		if !Within(namespaces, &b) {
			b.Line, b.Role.Line = 0, 0
			list = append(list, b)
		}
	}
	return list
}

// withoutLines returns everything but the bindings.
func withoutLines(d *Document) Document {
	c := Document{
		Roles: append([]Role{}, d.Roles...), Guardrails: append([]Guardrail{}, d.Guardrails...), Tests: append([]Test{}, d.Tests...),
	}
	for i := range c.Roles {
		c.Roles[i].Line = 0
	}
	for i := range c.Guardrails {
		c.Guardrails[i].Line = 0
	}
	for i := range c.Tests {
		c.Tests[i].Line = 0
	}
	return c
}

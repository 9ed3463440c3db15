package authz

import (
	"slices"
	"time"
)

// Holder is a subject of a live binding that grants an action on a resource: the
// answer to "who can push payments/api?", one entry for each binding and subject.
type Holder struct {
	// Subject is as the binding names it: group:corp/payments-dev.
	Subject string `json:"subject"`
	Binding string `json:"binding"`
	Role    string `json:"role"`
	// Actions are those of the asked ones that the binding grants.
	Actions []string `json:"actions"`
	// Conditions narrow the subject down, where the binding's pattern has
	// variables: only the person whose own segment this is holds the right.
	Conditions []Condition `json:"conditions,omitempty"`
	// BlockedBy are the guardrails that take the right away from this subject,
	// and Except lists whom they leave it.
	BlockedBy []string  `json:"blocked_by,omitempty"`
	Except    []string  `json:"except,omitempty"`
	Expires   time.Time `json:"expires,omitzero"`
	Line      int       `json:"line"`
}

// Condition says what a variable of the pattern has to be.
type Condition struct {
	Variable string `json:"variable"` // ${user} or ${group}
	Slug     string `json:"slug"`     // the segment it stands for
}

// WhoCan lists who is granted any of the scope's actions on the registry, in the
// order of the document. Subjects, not people: who is in a group is the
// directory's to say. It looks through every binding, outside the index, and is
// for administrators.
func (p *Policy) WhoCan(registry string, scope Scope, now time.Time) []Holder {
	holders := []Holder{}
	if scope.fault != nil {
		return holders
	}
	for i := range p.doc.Bindings {
		b := &p.doc.Bindings[i]
		gives := b.Role.Actions & scope.requested
		if gives == 0 || !b.liveAt(now) || !coversRegistry(b.Registries, registry) {
			continue
		}
		alternatives := alternativesOf(b.Repositories, &scope)
		for _, subject := range b.Subjects {
			for _, conditions := range alternatives {
				h := Holder{
					Subject: subject.String(), Binding: b.Name, Role: b.Role.Name, Actions: gives.Names(),
					Conditions: conditions, Expires: b.Expires, Line: b.Line,
				}
				p.block(&h, subject, registry, &scope, gives)
				holders = append(holders, h)
			}
		}
	}
	return holders
}

// block names the guardrails that take any of the actions from the subject.
func (p *Policy) block(h *Holder, subject Principal, registry string, scope *Scope, gives Actions) {
	for i := range p.doc.Guardrails {
		g := &p.doc.Guardrails[i]
		matches := len(alternativesOf(g.Repositories, scope)) > 0
		if g.Deny&gives == 0 || !matches || !coversRegistry(g.Registries, registry) || slices.Contains(g.Except, subject) {
			continue
		}
		h.BlockedBy = append(h.BlockedBy, g.Name)
		for _, e := range g.Except {
			h.Except = appendNew(h.Except, e.String())
		}
	}
}

// alternativesOf returns what the variables of the patterns have to be for one of
// them to match the resource: an entry for each way, one without conditions if
// there is such a way, none when nobody's name matches.
func alternativesOf(patterns []Pattern, scope *Scope) [][]Condition {
	if scope.kind != repositoryScope {
		return [][]Condition{nil} // what matters for the catalog is in the role
	}
	var ways [][]Condition
	for i := range patterns {
		conditions, ok := patterns[i].conditions(scope.segments)
		switch {
		case ok && len(conditions) == 0:
			return [][]Condition{nil}
		case ok && !slices.ContainsFunc(ways, func(way []Condition) bool { return slices.Equal(way, conditions) }):
			ways = append(ways, conditions)
		}
	}
	return ways
}

// conditions matches the name with each variable standing for whatever is there.
func (p *Pattern) conditions(name []string) ([]Condition, bool) {
	var conditions []Condition
	for i := range p.segments {
		if i >= len(name) {
			return nil, false
		}
		switch s := &p.segments[i]; s.kind {
		case restSegment:
			return conditions, true
		case userSegment:
			conditions = append(conditions, Condition{"${user}", name[i]})
		case groupSegment:
			conditions = append(conditions, Condition{"${group}", name[i]})
		case literalSegment, globSegment:
			if !s.match(name[i], i, nil) {
				return nil, false
			}
		}
	}
	return conditions, len(p.segments) == len(name) && len(name) > 0
}

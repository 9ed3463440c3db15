package authz

import (
	"fmt"
	"strings"

	"drawbridge/identity"
)

// NamesRobot reports whether a robot of that name belongs into one of the
// namespaces. The namespace's segments stand at the beginning of the name as a
// whole, with '-' or '.' in the place of '/' and before what follows: payments/**
// has payments, payments-ci and payments.ci, and not paymentsx; corp/payments/**
// has corp-payments-ci.
func NamesRobot(namespaces []Pattern, name string) bool {
	for i := range namespaces {
		for _, separator := range []string{"-", "."} {
			prefix := namespaces[i].joined(separator)
			rest, ok := strings.CutPrefix(name, prefix)
			if prefix != "" && ok && (rest == "" || rest[0] == '-' || rest[0] == '.') {
				return true
			}
		}
	}
	return false
}

// joined returns the segments of a namespace with the separator between; empty for
// a pattern that is none.
func (p *Pattern) joined(separator string) string {
	if !p.isNamespace() {
		return ""
	}
	names := make([]string, len(p.segments)-1)
	for i := range names {
		names[i] = p.segments[i].text
	}
	return strings.Join(names, separator)
}

// RobotReach returns what the document gives the robot by its name outside of the
// namespaces, as a part of a sentence; empty: nothing. Whoever has a secret of the
// robot has that as well, so that expired bindings count: they may be renewed.
func (d *Document) RobotReach(namespaces []Pattern, name string) string {
	bot := identity.Identity{Kind: identity.Robot, Name: name}
	for i := range d.Bindings {
		b := &d.Bindings[i]
		if named(b.Subjects, bot) && !Within(namespaces, b) {
			return fmt.Sprintf("the binding %q names it and reaches beyond", b.Name)
		}
	}
	for i := range d.Guardrails {
		if g := &d.Guardrails[i]; named(g.Except, bot) {
			return fmt.Sprintf("the guardrail %q excepts it", g.Name)
		}
	}
	return ""
}

// named reports whether one of the subjects is the robot itself.
func named(subjects []Principal, bot identity.Identity) bool {
	for _, s := range subjects {
		if s.Kind == RobotPrincipal && s.matches(bot) {
			return true
		}
	}
	return false
}

package authz

import (
	"fmt"
	"strings"
)

// maxClientName bounds how much of a malformed scope is repeated to its sender.
const maxClientName = 100

// resourceName says what a scope is about, for people. A name that passed no
// grammar is quoted, so that nothing in it reaches a terminal raw.
func resourceName(s Scope) string {
	switch s.kind {
	case catalogScope, zotCatalogScope:
		return "the registry"
	case repositoryScope:
		return s.name
	case nothingScope:
	}
	name := s.name
	if s.typ != "" {
		name = s.typ + ":" + s.name
	}
	if len(name) > maxClientName {
		name = name[:maxClientName]
	}
	return fmt.Sprintf("%+q", name)
}

// ClientReason returns one sentence on what the scope did not get, for the
// caller to read. It says what the caller knows anyway (the repository and the
// actions) and the names of guardrails that stopped them. It names no binding,
// subject or group: those tell who else has access, and stay with the
// administrator who looks the decision up. It is empty when nothing is missing.
func (e Explanation) ClientReason() string {
	if e.Fault != "" {
		return fmt.Sprintf("Nothing can be granted on %s: %s.", e.resource, e.Fault)
	}
	if e.missing == 0 {
		return ""
	}
	var ungranted, blocked, guardrails []string
	for _, a := range e.Actions {
		switch a.Verdict {
		case NoGrant:
			ungranted = append(ungranted, a.Action)
		case BlockedBy:
			blocked = append(blocked, a.Action)
			for _, g := range a.Guardrails {
				guardrails = appendNew(guardrails, fmt.Sprintf("%q", g))
			}
		case Allowed:
		}
	}
	var parts []string
	if len(blocked) > 0 {
		parts = append(parts, fmt.Sprintf("the guardrail %s denies %s on %s to %s",
			strings.Join(guardrails, " and "), strings.Join(blocked, " and "), e.resource, e.caller()))
	}
	if len(ungranted) > 0 {
		parts = append(parts, fmt.Sprintf("no rule of the policy grants %s on %s to %s",
			strings.Join(ungranted, " and "), e.resource, e.caller()))
	}
	sentence := strings.Join(parts, ", and ")
	return strings.ToUpper(sentence[:1]) + sentence[1:] + "."
}

func (e Explanation) caller() string {
	if e.Subject == "" {
		return "anonymous callers"
	}
	return e.Subject
}

package authz

import (
	"time"

	"drawbridge/identity"
)

// query is one decision under way. It stays on the stack.
type query struct {
	subject  *Subject
	registry string
	scope    *Scope
	want     Actions
	now      time.Time
	trace    *trace // nil unless somebody wants to know why
	// groupAsked and groupIs remember for each segment of the name whether it
	// is the slug of one of the caller's groups, so that any number of
	// patterns with ${group} walk the groups once per segment.
	groupAsked, groupIs [maxSegments/64 + 1]uint64
}

// Decide returns what the token carries for the scope: the requested actions
// that live bindings grant the caller on this registry (the service name) and
// that no guardrail takes away. now is compared with expiry times; the zero time
// is before all of them. It does not allocate.
func (p *Policy) Decide(s *Subject, registry string, scope Scope, now time.Time) Actions {
	if s.policy != p {
		own := p.Subject(s.id)
		s = &own
	}
	q := query{subject: s, registry: registry, scope: &scope, want: scope.requested, now: now}
	return p.evaluate(&q)
}

// Capabilities returns the caller's rights in Drawbridge itself.
func (p *Policy) Capabilities(s *Subject, now time.Time) Capabilities {
	var set Capabilities
	if s.policy != p {
		own := p.Subject(s.id)
		s = &own
	}
	n := &p.index.nodes[capabilityNode]
	for _, e := range p.index.entries[n.start:n.end] {
		if b := &p.doc.Bindings[e.binding]; s.is(e.principal) && b.liveAt(now) {
			set |= b.Role.Capabilities
		}
	}
	return set
}

// evaluate is the one place where the policy is applied: for a decision and,
// with a trace, for its explanation.
func (p *Policy) evaluate(q *query) Actions {
	if q.want == 0 || q.scope.fault != nil {
		return 0
	}
	if q.scope.kind != repositoryScope {
		return p.granted(q, catalogNode, 0, 0) &^ p.denied(q, catalogNode, 0)
	}
	var granted, denied Actions
	node, segments := rootNode, q.scope.segments
	for depth := 0; ; depth++ {
		granted = p.granted(q, node, depth, granted)
		denied |= p.denied(q, node, depth)
		if depth == len(segments) {
			break
		}
		next, ok := p.index.edges[edge{node, segments[depth]}]
		if !ok {
			break
		}
		node = next
	}
	return granted &^ denied
}

// granted adds to have what the bindings at the node grant. depth is how many
// segments the node's literal prefix has already matched.
func (p *Policy) granted(q *query, at nodeID, depth int, have Actions) Actions {
	n := &p.index.nodes[at]
	if n.byPrincipal == nil {
		for i := n.start; i < n.end; i++ {
			if e := &p.index.entries[i]; q.subject.is(e.principal) {
				have |= p.grants(q, e, depth, have)
			}
		}
		return have
	}
	for _, id := range q.subject.principals() {
		part := n.byPrincipal.get(id)
		for i := part.start; i < part.end; i++ {
			have |= p.grants(q, &p.index.entries[i], depth, have)
		}
	}
	return have
}

// grants returns what one pattern of a binding grants.
func (p *Policy) grants(q *query, e *entry, depth int, have Actions) Actions {
	b := &p.doc.Bindings[e.binding]
	gives := b.Role.Actions & q.want
	if gives&^have == 0 && q.trace == nil || gives == 0 {
		return 0
	}
	if !b.liveAt(q.now) || !coversRegistry(b.Registries, q.registry) {
		return 0
	}
	if e.pattern != noPattern && b.Repositories[e.pattern].match(q.scope.segments, depth, q) >= 0 {
		return 0
	}
	if q.trace != nil {
		q.trace.granted(e.binding, gives)
	}
	return gives
}

// denied returns what the guardrails at the node take away.
func (p *Policy) denied(q *query, at nodeID, depth int) Actions {
	var denied Actions
	for _, rule := range p.index.nodes[at].guards {
		g := &p.doc.Guardrails[rule.guardrail]
		takes := g.Deny & q.want
		if takes&^denied == 0 && q.trace == nil || takes == 0 {
			continue
		}
		if !coversRegistry(g.Registries, q.registry) || p.excepted(q.subject, rule.guardrail) {
			continue
		}
		if rule.pattern != noPattern && g.Repositories[rule.pattern].match(q.scope.segments, depth, q) >= 0 {
			continue
		}
		denied |= takes
		if q.trace != nil {
			q.trace.blocked(rule.guardrail, takes)
		}
	}
	return denied
}

func (p *Policy) excepted(s *Subject, guardrail uint32) bool {
	for _, id := range p.except[guardrail] {
		if s.is(id) {
			return true
		}
	}
	return false
}

// isUser reports whether the segment is what ${user} stands for.
func (q *query) isUser(segment string) bool {
	s := q.subject
	return s.hasSlug && isSlugOf(segment, s.slugPrefix, s.id.Name) && validName(s.id.Name)
}

// isGroup reports whether the segment at that position is what ${group} stands
// for with one of the caller's groups.
func (q *query) isGroup(segment string, position int) bool {
	word, bit := position/64, uint64(1)<<(position%64)
	if q.groupAsked[word]&bit == 0 {
		q.groupAsked[word] |= bit
		if q.subject.inGroupOfSlug(segment) {
			q.groupIs[word] |= bit
		}
	}
	return q.groupIs[word]&bit != 0
}

func (s *Subject) inGroupOfSlug(segment string) bool {
	if !s.hasSlug || s.id.Kind != identity.User {
		return false
	}
	for _, g := range s.id.Groups {
		if isSlugOf(segment, s.slugPrefix, g) && validName(g) {
			return true
		}
	}
	return false
}

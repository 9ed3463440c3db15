package authz

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxNearMisses bounds what an explanation lists.
const maxNearMisses = 5

// maxListedSubjects bounds how many subjects of a binding a sentence lists.
const maxListedSubjects = 5

// NearMiss is a binding that would have granted a missing action but for one
// condition.
type NearMiss struct {
	Binding string `json:"binding"`
	Line    int    `json:"line"`
	// Actions are the missing actions that the binding would have granted.
	Actions []string `json:"actions"`
	// Reason is the condition that failed: expired, registry, role, subject or
	// pattern.
	Reason MissReason `json:"reason"`
	// Detail is the same as a sentence.
	Detail string `json:"detail"`

	rank int // the closest is the lowest
}

// MissReason names the condition that kept a binding from granting.
type MissReason string

// The reasons, closest first.
const (
	MissExpired  MissReason = "expired"
	MissRegistry MissReason = "registry"
	MissRole     MissReason = "role"
	MissSubject  MissReason = "subject"
	MissPattern  MissReason = "pattern"
)

// nearMisses looks through every binding, outside the index, for those that
// fail one condition. It runs only when somebody asks why.
func (p *Policy) nearMisses(q *query, missing Actions) []NearMiss {
	misses := []NearMiss{}
	if missing == 0 {
		return misses
	}
	for i := range p.doc.Bindings {
		if m, ok := p.nearMiss(q, &p.doc.Bindings[i], missing); ok {
			misses = append(misses, m)
		}
	}
	slices.SortStableFunc(misses, func(a, b NearMiss) int { return cmp.Compare(a.rank, b.rank) })
	return misses[:min(len(misses), maxNearMisses)]
}

func (p *Policy) nearMiss(q *query, b *Binding, missing Actions) (NearMiss, bool) {
	m := NearMiss{Binding: b.Name, Line: b.Line, Actions: (b.Role.Actions & missing).Names()}
	live, registry := b.liveAt(q.now), coversRegistry(b.Registries, q.registry)
	role := b.Role.Actions&missing != 0
	subject := slices.ContainsFunc(b.Subjects, func(s Principal) bool { return s.matches(q.subject.id) })
	pattern, failed := nearestPattern(q, b)
	matches := failed < 0

	failures := 0
	for _, holds := range []bool{live, registry, role, subject, matches} {
		if !holds {
			failures++
		}
	}
	if failures != 1 {
		return m, false
	}
	switch {
	case !live:
		m.set(0, MissExpired, "it expired at "+b.Expires.UTC().Format(time.RFC3339))
	case !registry:
		m.set(1, MissRegistry, fmt.Sprintf("it is limited to the registries %s, and this one is %q", quoted(b.Registries), q.registry))
	case !role:
		m.Actions = missing.Names()
		m.set(2, MissRole, fmt.Sprintf("its role %s grants %s only", b.Role.Name, b.Role.Rights()))
	case !subject:
		m.set(3, MissSubject, "it is for "+listed(b.Subjects)+", and the caller is none of these")
	default:
		m.set(4+maxSegments-failed, MissPattern, patternDetail(q.scope.segments, pattern, failed))
	}
	return m, true
}

func (m *NearMiss) set(rank int, reason MissReason, detail string) {
	m.rank, m.Reason, m.Detail = rank, reason, detail
}

// nearestPattern returns the pattern of the binding that matches most segments
// and the first segment that fails, -1 when none does. A binding that concerns
// no repositories matches the catalog.
func nearestPattern(q *query, b *Binding) (*Pattern, int) {
	if q.scope.kind != repositoryScope {
		return nil, -1
	}
	var nearest *Pattern
	best := 0
	for i := range b.Repositories {
		failed := b.Repositories[i].match(q.scope.segments, 0, q)
		if failed < 0 {
			return &b.Repositories[i], -1
		}
		if nearest == nil || failed > best {
			nearest, best = &b.Repositories[i], failed
		}
	}
	return nearest, best
}

func patternDetail(name []string, p *Pattern, failed int) string {
	switch {
	case p == nil:
		return "it concerns no repositories"
	case failed >= len(name):
		return fmt.Sprintf("its pattern %s wants more segments than the name has", p)
	case failed >= len(p.segments):
		return fmt.Sprintf("its pattern %s ends before segment %d, %q", p, failed+1, name[failed])
	}
	return fmt.Sprintf("its pattern %s fails at segment %d, %q", p, failed+1, name[failed])
}

func listed(subjects []Principal) string {
	names := make([]string, 0, maxListedSubjects)
	for _, s := range subjects[:min(len(subjects), maxListedSubjects)] {
		names = append(names, s.String())
	}
	if more := len(subjects) - maxListedSubjects; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

func quoted(words []string) string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = fmt.Sprintf("%q", w)
	}
	return strings.Join(list, ", ")
}

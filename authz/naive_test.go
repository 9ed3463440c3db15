package authz

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge/identity"
)

// The evaluator of this file is the manual in code: strings, loops, recursion,
// no index and nothing shared with the real one but Slug, which has tests of
// its own. The fuzz target makes a policy and a request out of bytes and wants
// both evaluators to agree, and explain with them.

type rawRule struct {
	name         string
	actions      []string // of the role, or denied
	role         string
	subjects     []string // or exceptions
	repositories []string
	registries   []string
	expires      time.Time
}

type rawPolicy struct {
	bindings, guardrails []rawRule
	home                 string
}

func (r rawPolicy) yaml() string {
	var b strings.Builder
	list := func(key string, values []string) {
		if len(values) > 0 {
			fmt.Fprintf(&b, "    %s: ['%s']\n", key, strings.Join(values, "', '"))
		}
	}
	b.WriteString("bindings:\n")
	for _, rule := range r.bindings {
		fmt.Fprintf(&b, "  - name: %s\n    role: %s\n", rule.name, rule.role)
		list("subjects", rule.subjects)
		list("repositories", rule.repositories)
		list("registries", rule.registries)
		if !rule.expires.IsZero() {
			fmt.Fprintf(&b, "    expires: %s\n", rule.expires.Format(time.RFC3339))
		}
	}
	if len(r.guardrails) > 0 {
		b.WriteString("guardrails:\n")
	}
	for _, rule := range r.guardrails {
		fmt.Fprintf(&b, "  - name: %s\n    deny: [%s]\n", rule.name, strings.Join(rule.actions, ", "))
		list("except", rule.subjects)
		list("repositories", rule.repositories)
		list("registries", rule.registries)
	}
	return b.String()
}

type naiveRequest struct {
	id         identity.Identity
	registry   string
	repository string // empty: the catalog
	actions    []string
	now        time.Time
}

func (r rawPolicy) decide(q naiveRequest) []string {
	granted := []string{}
	for _, action := range q.actions {
		grant := slices.ContainsFunc(r.bindings, func(b rawRule) bool {
			live := b.expires.IsZero() || q.now.Before(b.expires)
			return live && slices.ContainsFunc(b.subjects, q.isSubject) && r.applies(b, q, action)
		})
		block := slices.ContainsFunc(r.guardrails, func(g rawRule) bool {
			return !slices.ContainsFunc(g.subjects, q.isSubject) && r.applies(g, q, action)
		})
		if grant && !block {
			granted = append(granted, action)
		}
	}
	return granted
}

func (r rawPolicy) applies(rule rawRule, q naiveRequest, action string) bool {
	if !slices.Contains(rule.actions, action) || len(rule.registries) > 0 && !slices.Contains(rule.registries, q.registry) {
		return false
	}
	return action == "catalog" || slices.ContainsFunc(rule.repositories, func(pattern string) bool {
		return r.matches(strings.Split(pattern, "/"), strings.Split(q.repository, "/"), q.id)
	})
}

func (r rawPolicy) matches(pattern, name []string, id identity.Identity) bool {
	switch {
	case len(pattern) == 0 || len(name) == 0:
		return len(pattern) == len(name)
	case pattern[0] == "**":
		return true
	case pattern[0] == "${user}":
		slug, ok := Slug(r.home, id)
		if !ok || slug != name[0] {
			return false
		}
	case pattern[0] == "${group}":
		if id.Kind != identity.User || !slices.ContainsFunc(id.Groups, func(g string) bool {
			slug, ok := GroupSlug(r.home, id.Connector, g)
			return ok && slug == name[0]
		}) {
			return false
		}
	case !naiveGlob(pattern[0], name[0]):
		return false
	}
	return r.matches(pattern[1:], name[1:], id)
}

func naiveGlob(pattern, text string) bool {
	if pattern == "" {
		return text == ""
	}
	if pattern[0] == '*' {
		return naiveGlob(pattern[1:], text) || text != "" && naiveGlob(pattern, text[1:])
	}
	return text != "" && pattern[0] == text[0] && naiveGlob(pattern[1:], text[1:])
}

func (q naiveRequest) isSubject(subject string) bool {
	switch subject {
	case "anonymous":
		return true
	case "authenticated":
		return q.id.Kind != identity.Anonymous
	}
	known := []string{}
	switch q.id.Kind {
	case identity.Robot:
		known = append(known, "robot:"+q.id.Name)
	case identity.User:
		known = append(known, "user:"+q.id.Connector+"/"+q.id.Name, "user:*/"+q.id.Name)
		for _, g := range q.id.Groups {
			known = append(known, "group:"+q.id.Connector+"/"+g, "group:*/"+g)
		}
	case identity.Anonymous, identity.BreakGlass:
	}
	return slices.Contains(known, subject)
}

// generator makes choices out of a seed.
type generator struct{ *rand.Rand }

func (g generator) pick(from ...string) string { return from[g.IntN(len(from))] }

func (g generator) some(most int, one func() string) []string {
	var list []string
	for range 1 + g.IntN(most) {
		if s := one(); !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

func (g generator) name() string  { return g.pick("alice", "bob", "a", "Al", "svc-a", "b b", "*") }
func (g generator) group() string { return g.pick("dev", "ops", "a", "svc-a", "x/y", "${group}") }

func (g generator) subject() string {
	connector := g.pick("corp", "sso", "*")
	switch g.IntN(6) {
	case 0:
		return "user:" + connector + "/" + g.name()
	case 1, 2:
		return "group:" + connector + "/" + g.group()
	case 3:
		return "robot:" + g.name()
	case 4:
		return "authenticated"
	}
	return "anonymous"
}

func (g generator) pattern() string {
	segments := g.some(4, func() string {
		return g.pick("a", "b", "svc-a", "svc-*", "*", "*-a", "s*c*a", "${user}", "${group}", "dev", "alice")
	})
	if g.IntN(3) == 0 {
		segments = append(segments, "**")
	}
	return strings.Join(segments, "/")
}

func (g generator) segment() string {
	return g.pick("a", "b", "svc-a", "svc-b", "alice", "dev", "sso--alice", "robot--a", "0__00__41l", "b__20b", "x__2fy", "0__00__2a", "sso--dev")
}

func (g generator) registries() []string {
	if g.IntN(3) > 0 {
		return nil
	}
	return g.some(2, func() string { return g.pick("r1", "r2", "r3") })
}

func (g generator) policy(bindings int) rawPolicy {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p := rawPolicy{home: "corp"}
	if g.IntN(8) == 0 {
		p.home = ""
	}
	roles := []Role{}
	for _, r := range BuiltinRoles() {
		if r.Actions != 0 {
			roles = append(roles, r)
		}
	}
	for i := range bindings {
		role := roles[g.IntN(len(roles))]
		rule := rawRule{name: fmt.Sprintf("b%d", i), role: role.Name, actions: role.Actions.Names(), registries: g.registries()}
		rule.subjects = g.some(3, g.subject)
		if role.onRepositories() {
			rule.repositories = g.some(3, g.pattern)
		}
		if g.IntN(3) == 0 {
			rule.expires = start.AddDate(0, g.IntN(12), 0)
		}
		p.bindings = append(p.bindings, rule)
	}
	for i := range g.IntN(4) {
		rule := rawRule{name: fmt.Sprintf("g%d", i), registries: g.registries()}
		rule.actions = g.some(3, func() string { return g.pick("pull", "push", "delete", "catalog") })
		if !slices.Equal(rule.actions, []string{"catalog"}) {
			rule.repositories = g.some(2, g.pattern)
		}
		if g.IntN(2) == 0 {
			rule.subjects = slices.DeleteFunc(g.some(2, g.subject), func(s string) bool { return s == "anonymous" })
		}
		p.guardrails = append(p.guardrails, rule)
	}
	return p
}

func (g generator) request() naiveRequest {
	q := naiveRequest{registry: g.pick("r1", "r2", "r3", ""), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, g.IntN(12), 0)}
	switch g.IntN(5) {
	case 0:
	case 1:
		q.id = robot(g.name())
	default:
		q.id = user(g.pick("corp", "sso")+"/"+g.name(), identity.NormalizeGroups(g.some(4, g.group))...)
	}
	q.actions = []string{"catalog"}
	if g.IntN(8) > 0 {
		segments := make([]string, 1+g.IntN(4))
		for i := range segments {
			segments[i] = g.segment()
		}
		q.repository = strings.Join(segments, "/")
		q.actions = []string{"pull", "push", "delete"}
	}
	return q
}

func (q naiveRequest) scope(t *testing.T) Scope {
	if q.repository == "" {
		return CatalogScope()
	}
	s, err := RepositoryScope(q.repository, repositoryActions)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func compareEvaluators(t *testing.T, seed1, seed2 uint64, bindings int) {
	g := generator{rand.New(rand.NewPCG(seed1, seed2))}
	raw := g.policy(bindings)
	p := compile(t, raw.yaml(), Options{HomeConnector: raw.home})
	for range 20 {
		q := g.request()
		want := raw.decide(q)
		s, scope := p.Subject(q.id), q.scope(t)
		if got := p.Decide(&s, q.registry, scope, q.now).Names(); !slices.Equal(got, want) {
			t.Fatalf("seeds %d, %d: %+v: got %v, want %v, by\n%s", seed1, seed2, q, got, want, raw.yaml())
		}
		checkExplanation(t, raw, q, p.Explain(&s, q.registry, scope, q.now), want)
	}
}

// checkExplanation wants an explanation to say what the decision was, and to
// blame only what the naive evaluator blames.
func checkExplanation(t *testing.T, raw rawPolicy, q naiveRequest, e Explanation, want []string) {
	t.Helper()
	for i, a := range e.Actions {
		if a.Action != q.actions[i] || (a.Verdict == Allowed) != slices.Contains(want, a.Action) {
			t.Fatalf("%+v: explained as %+v, want %v, by\n%s", q, e, want, raw.yaml())
		}
		one := q
		one.actions = []string{a.Action}
		for _, b := range raw.bindings {
			alone := rawPolicy{bindings: []rawRule{b}, home: raw.home}
			if grants := len(alone.decide(one)) > 0; grants != slices.Contains(a.Bindings, b.name) {
				t.Fatalf("%+v: %s names the bindings %v, and %s grants: %v, by\n%s", q, a.Action, a.Bindings, b.name, grants, raw.yaml())
			}
		}
		all := rawRule{actions: one.actions, subjects: []string{"anonymous"}, repositories: []string{"**"}}
		for _, g := range raw.guardrails {
			alone := rawPolicy{bindings: []rawRule{all}, guardrails: []rawRule{g}, home: raw.home}
			if blocks := len(alone.decide(one)) == 0; blocks != slices.Contains(a.Guardrails, g.name) {
				t.Fatalf("%+v: %s names the guardrails %v, and %s blocks: %v, by\n%s", q, a.Action, a.Guardrails, g.name, blocks, raw.yaml())
			}
		}
	}
	for _, m := range e.NearMisses {
		for _, a := range e.Actions {
			if slices.Contains(m.Actions, a.Action) && a.Verdict != NoGrant {
				t.Fatalf("%+v: a near miss for %s, which is %s", q, a.Action, a.Verdict)
			}
		}
	}
}

func TestTheEvaluatorsAgree(t *testing.T) {
	for seed := range uint64(300) {
		compareEvaluators(t, seed, 1, 1+int(seed%40))
	}
}

func FuzzEvaluatorsAgree(f *testing.F) {
	f.Add(uint64(1), uint64(2), uint8(3))
	f.Add(uint64(7), uint64(7), uint8(60))
	f.Fuzz(func(t *testing.T, seed1, seed2 uint64, bindings uint8) {
		compareEvaluators(t, seed1, seed2, int(bindings%64)+1)
	})
}

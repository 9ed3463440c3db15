package migrate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"drawbridge/authz"
	"drawbridge/identity"
)

// binding is one of the policy that is made.
type binding struct {
	subject string
	pattern string // empty: the catalog
	actions []string
}

// policyMaker turns the entries into bindings and guardrails.
type policyMaker struct {
	proof
	callers []*caller
	// anonymous says that docker_auth lets people in who do not log in, and people the
	// connector of those who do, which is the home connector.
	anonymous bool
	home      string
	// directory says that people log in who are not in the file. Without one, who has no
	// name in it is nobody yet.
	directory bool
	// connectors has each account's, "" for one that only the ACL names.
	connectors map[string]string
	bindings   []binding
}

// seen is what a pattern of ours means for a caller: ${user} is their name.
func (m *policyMaker) seen(c *caller, pattern string) (names, bool) {
	if c.other || !strings.Contains(pattern, "${user}") {
		return names{pattern: pattern}, true
	}
	connector := m.connectors[c.name]
	if connector == "" {
		connector = m.home
	}
	slug, ok := authz.Slug(m.home, identity.Identity{Kind: identity.User, Connector: connector, Name: c.name})
	return names{pattern: strings.ReplaceAll(pattern, "${user}", slug)}, ok && !c.anonymous
}

// actions returns what is proved for a caller on a pattern of ours. Nobody pushes who
// may not pull, since our push is both.
func (m *policyMaker) actions(c *caller, pattern string) (granted []string) {
	n, ok := m.seen(c, pattern)
	if !ok {
		return nil
	}
	for _, a := range repositoryActions() {
		if m.allows(c, a, n) && (a != "push" || len(granted) > 0) {
			granted = append(granted, a)
		}
	}
	return granted
}

// patterns returns every pattern that the entries have for anybody, the widest first.
func (m *policyMaker) patterns() []string {
	found := map[string]bool{"**": true}
	for i := range m.entries {
		for _, c := range m.callers {
			if m.entries[i].matches(c, repositoryType, m.service) == no {
				continue
			}
			for _, n := range m.entries[i].namesOf(c) {
				if n.pattern != "" {
					found[n.pattern] = true
				}
			}
		}
	}
	list := slices.Sorted(maps.Keys(found))
	slices.SortStableFunc(list, func(a, b string) int {
		wideA, wideB := names{pattern: b}.within(names{pattern: a}), names{pattern: a}.within(names{pattern: b})
		switch {
		case wideA && !wideB:
			return -1
		case wideB && !wideA:
			return 1
		}
		return strings.Count(a, "/") - strings.Count(b, "/")
	})
	return list
}

// subject is how our policy names an account. The name counts, as in docker_auth, and
// not who vouches for it.
func (c *caller) subject() string { return "user:*/" + c.name }

// make fills the bindings.
func (m *policyMaker) make() {
	m.guard()
	for _, pattern := range m.patterns() {
		grants := map[*caller][]string{}
		for _, c := range m.callers {
			grants[c] = m.actions(c, pattern)
		}
		m.bind(pattern, grants)
	}
	catalog := map[*caller][]string{}
	for _, c := range m.callers {
		if m.catalog(c) {
			catalog[c] = []string{"catalog"}
		}
	}
	m.bind("", catalog)
}

// bind makes the bindings of one pattern: for everybody what all may, for who is
// logged in what all of those may, and for each account the rest.
func (m *policyMaker) bind(pattern string, grants map[*caller][]string) {
	common := func(of func(c *caller) bool) []string {
		var all []string
		for i, c := range slices.DeleteFunc(slices.Clone(m.callers), func(c *caller) bool { return !of(c) }) {
			if i == 0 {
				all = slices.Clone(grants[c])
			}
			all = slices.DeleteFunc(all, func(a string) bool { return !slices.Contains(grants[c], a) })
		}
		return all
	}
	var everyone []string
	if m.anonymous {
		everyone = common(func(*caller) bool { return true })
	}
	m.add("anonymous", pattern, everyone)
	authenticated := common(func(c *caller) bool { return !c.anonymous })
	if !sameOrLess(authenticated, everyone) {
		m.add("authenticated", pattern, authenticated)
	}
	for _, c := range m.callers {
		if c.other || c.anonymous || sameOrLess(grants[c], everyone) || sameOrLess(grants[c], authenticated) {
			continue
		}
		n, _ := m.seen(c, pattern)
		if !slices.ContainsFunc(grants[c], func(a string) bool { return !m.granted(c, a, n) }) {
			continue // a wider one says the same
		}
		m.add(c.subject(), n.pattern, grants[c])
	}
}

func sameOrLess(a, b []string) bool {
	return !slices.ContainsFunc(a, func(x string) bool { return !slices.Contains(b, x) })
}

// add adds a binding unless a wider one says the same.
func (m *policyMaker) add(subject, pattern string, actions []string) {
	if len(actions) == 0 {
		return
	}
	for _, b := range m.bindings {
		wider := b.subject == subject || b.subject == "anonymous" || b.subject == "authenticated"
		if wider && (names{pattern: pattern}).within(names{pattern: b.pattern}) && sameOrLess(actions, b.actions) {
			return
		}
	}
	m.bindings = append(m.bindings, binding{subject, pattern, actions})
}

// guard makes guardrails for entries that refuse what later ones grant, as far as
// they help.
func (m *policyMaker) guard() {
	for i := range m.entries {
		for _, action := range repositoryActions() {
			if m.entries[i].has(action) {
				continue
			}
			for _, pattern := range m.literalPatterns(&m.entries[i]) {
				if g, ok := m.guardrail(&m.entries[i], action, pattern); ok {
					m.guardrails = append(m.guardrails, g)
				}
			}
		}
	}
}

// literalPatterns are those of an entry that mean the same for everybody.
func (m *policyMaker) literalPatterns(e *dockerEntry) (found []string) {
	for _, c := range m.callers {
		if e.matches(c, repositoryType, m.service) == no {
			continue
		}
		for _, n := range e.namesOf(c) {
			if n.pattern != "" && n.pattern != "**" && !strings.Contains(n.pattern, "$") && !slices.Contains(found, n.pattern) {
				found = append(found, n.pattern)
			}
		}
	}
	return found
}

// guardrail makes one for those whom docker_auth never grants the action there. Others
// are excepted, which our policy can say of accounts, of all who are logged in, and of
// everybody.
func (m *policyMaker) guardrail(e *dockerEntry, action, pattern string) (guardrail, bool) {
	g := guardrail{line: e.line, action: action, names: names{pattern: pattern}, spares: map[*caller]bool{}}
	allLoggedIn := false
	for _, c := range m.callers {
		if !m.never(c, action, g.names) {
			if c.anonymous {
				return g, false
			}
			if c.other && !m.directory {
				continue // it takes something from accounts that are made later, which is listed
			}
			g.spares[c], allLoggedIn = true, allLoggedIn || c.other
		}
	}
	for _, c := range m.callers {
		switch {
		case c.anonymous || c.other:
		case allLoggedIn:
			g.spares[c] = true
		case g.spares[c]:
			g.except = append(g.except, c.subject())
		}
	}
	if allLoggedIn {
		g.except = []string{"authenticated"}
	}
	return g, m.helps(g)
}

// helps reports whether a guardrail lets anything be granted that could not be.
func (m *policyMaker) helps(g guardrail) bool {
	with := *m
	with.guardrails = append(slices.Clone(m.guardrails), g)
	for _, pattern := range m.patterns() {
		for _, c := range m.callers {
			if len(with.actions(c, pattern)) > len(m.actions(c, pattern)) {
				return true
			}
		}
	}
	return false
}

// text writes the policy document.
func (m *policyMaker) text() string {
	var out strings.Builder
	roles := map[string]string{"pull": "puller", "pull push": "pusher", "pull push delete": "maintainer", "catalog": "catalog-reader"}
	custom := map[string]string{"delete": "deleter", "pull delete": "pull-and-delete"}
	for _, key := range slices.Sorted(maps.Keys(custom)) {
		if slices.ContainsFunc(m.bindings, func(b binding) bool { return strings.Join(b.actions, " ") == key }) {
			if !strings.Contains(out.String(), "roles:") {
				out.WriteString("roles:\n")
			}
			fmt.Fprintf(&out, "  %s: [%s]\n", custom[key], strings.ReplaceAll(key, " ", ", "))
		}
	}
	out.WriteString("bindings:")
	if len(m.bindings) == 0 {
		out.WriteString(" []")
	}
	out.WriteString("\n")
	for i, b := range m.bindings {
		key := strings.Join(b.actions, " ")
		role := roles[key] + custom[key]
		fmt.Fprintf(&out, "  - name: from-docker-auth-%d\n    role: %s\n    subjects: [%q]\n", i+1, role, b.subject)
		if b.pattern != "" {
			fmt.Fprintf(&out, "    repositories: [%q]\n", b.pattern)
		}
	}
	for i, g := range m.guardrails {
		if i == 0 {
			out.WriteString("guardrails:\n")
		}
		fmt.Fprintf(&out, "  - name: from-docker-auth-line-%d-%d\n    deny: [%s]\n    repositories: [%q]\n", g.line, i+1, g.action, g.names.pattern)
		if len(g.except) > 0 {
			fmt.Fprintf(&out, "    except: [%s]\n", strings.Join(quoted(g.except), ", "))
		}
	}
	return out.String()
}

func quoted(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = fmt.Sprintf("%q", s)
	}
	return out
}

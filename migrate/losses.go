package migrate

import (
	"fmt"
	"slices"
	"strings"
)

// Loss is something that was not carried over.
type Loss struct {
	// Line is that of the original, 0 where it has none.
	Line int    `json:"line"`
	Text string `json:"text"`
}

// losses returns what docker_auth may grant and the bindings do not.
func (m *policyMaker) losses() (found []Loss) {
	for i := range m.entries {
		e := &m.entries[i]
		var reasons []string
		who := map[string][]string{}
		add := func(title, reason string) {
			if _, known := who[reason]; !known {
				reasons = append(reasons, reason)
			}
			who[reason] = append(who[reason], title)
		}
		concerned := false
		for _, c := range m.callers {
			concerned = m.lossesOf(e, c, func(reason string) { add(c.title(), reason) }) || concerned
		}
		for _, a := range e.Actions {
			if a != "*" && a != "catalog" && !slices.Contains(repositoryActions(), a) {
				add("everybody", fmt.Sprintf("the action %q: Drawbridge has pull, push and delete", a))
			}
		}
		if !concerned {
			add("everybody", "it matches no type of resource and no service that is carried over, or nobody")
		}
		for _, reason := range reasons {
			found = append(found, Loss{e.line, "acl: " + strings.Join(who[reason], ", ") + ": " + reason})
		}
	}
	return found
}

// lossesOf adds what a caller loses of one entry, and says whether the entry concerns
// them at all.
func (m *policyMaker) lossesOf(e *dockerEntry, c *caller, add func(reason string)) bool {
	registry := e.matches(c, registryType, m.service)
	if registry != no && (e.Match.Name == nil || e.catalogName(c) != no) && e.has("*") && m.mayCatalog(c, e) && !m.granted(c, "catalog", names{}) {
		add("the catalog: " + e.why(c, names{pattern: "catalog"}))
	}
	match := e.matches(c, repositoryType, m.service)
	if match == no {
		return registry != no
	}
	for _, n := range e.namesOf(c) {
		var lost []string
		for _, a := range repositoryActions() {
			if e.has(a) && !m.never(c, a, n) && !m.granted(c, a, n) {
				lost = append(lost, a)
			}
		}
		if len(lost) > 0 {
			add(strings.Join(lost, ", ") + ": " + e.why(c, n))
		}
	}
	return true
}

// mayCatalog reports whether the entry is one that may decide about the catalog.
func (m *policyMaker) mayCatalog(c *caller, e *dockerEntry) bool {
	for i := range m.entries {
		before := &m.entries[i]
		if before == e {
			return true
		}
		name := yes
		if before.Match.Name != nil {
			name = before.catalogName(c)
		}
		if before.matches(c, registryType, m.service).also(name) == yes {
			return false
		}
	}
	return true
}

// granted reports whether a binding gives a caller the action on all of n.
func (m *policyMaker) granted(c *caller, action string, n names) bool {
	for _, g := range m.guardrails {
		if g.action == action && !g.spares[c] && !n.apart(g.names) && !m.never(c, action, g.names) {
			return false
		}
	}
	return slices.ContainsFunc(m.bindings, func(b binding) bool {
		mine := b.subject == "anonymous" || b.subject == "authenticated" && !c.anonymous || !c.other && !c.anonymous && b.subject == c.subject()
		if !mine || !slices.Contains(b.actions, action) {
			return false
		}
		if b.pattern == "" {
			return action == "catalog"
		}
		all, ok := m.seen(c, b.pattern)
		return ok && n.within(all)
	})
}

func (c *caller) title() string {
	switch {
	case c.anonymous:
		return "anonymous callers"
	case c.other:
		return "people who have no entry of their own"
	}
	return c.name
}

// why says what cannot be expressed.
func (e *dockerEntry) why(c *caller, n names) string {
	switch {
	case e.Match.IP != nil:
		return fmt.Sprintf("the address %s: bindings do not look at addresses", *e.Match.IP)
	case n.pattern == "" && n.docker != "":
		return fmt.Sprintf("the name %s is no pattern of whole segments, see docs/policy.md", n.docker)
	case n.pattern == "":
		return fmt.Sprintf("the variables of the name %s: ${account} as a whole segment is carried over, and nothing else", *e.Match.Name)
	case e.account(c) == maybe:
		return fmt.Sprintf("the account %s: subjects are names and groups, not patterns", *e.Match.Account)
	case e.labels(c) == maybe:
		return "labels that the directory gives: write bindings for groups instead"
	case e.has("push") && !e.has("pull"):
		return "push without pull: whoever may push may pull here"
	}
	return "entries before it refuse a part of this to somebody, in a way that bindings and guardrails cannot say"
}

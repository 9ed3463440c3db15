package migrate

// The types of resource that registries ask about.
const (
	repositoryType = "repository"
	registryType   = "registry"
)

// repositoryActions are the actions of a repository, in our order.
func repositoryActions() []string { return []string{"pull", "push", "delete"} }

// guardrail takes an action away from everybody but whom it excepts.
type guardrail struct {
	line   int
	action string
	names  names
	// spares says of each caller whether the guardrail excepts them.
	spares map[*caller]bool
	except []string
}

// proof is the question what docker_auth grants.
type proof struct {
	entries    []dockerEntry
	service    string
	guardrails []guardrail
}

// covers says whether the names of an entry include all of n, and whether they share
// any.
func covers(sets []names, n names) (all, some bool) {
	for _, s := range sets {
		all = all || n.within(s)
		some = some || !n.apart(s)
	}
	return all, some
}

// allows reports whether docker_auth surely grants a caller the action on every name of
// n that no guardrail takes away.
func (p *proof) allows(c *caller, action string, n names) bool {
	for i := range p.entries {
		e := &p.entries[i]
		match := e.matches(c, repositoryType, p.service)
		sets := e.namesOf(c)
		all, some := covers(sets, n)
		if match == no || !some {
			continue
		}
		if match == yes && all {
			return e.has(action)
		}
		if !e.has(action) && !p.guarded(c, action, sets) {
			return false
		}
	}
	return false
}

// guarded reports whether guardrails take the action away from the caller on all these
// names.
func (p *proof) guarded(c *caller, action string, sets []names) bool {
	for _, s := range sets {
		found := false
		for _, g := range p.guardrails {
			found = found || g.action == action && !g.spares[c] && s.within(g.names)
		}
		if !found {
			return false
		}
	}
	return true
}

// never reports whether docker_auth surely refuses the caller the action on every name
// of n.
func (p *proof) never(c *caller, action string, n names) bool {
	for i := range p.entries {
		e := &p.entries[i]
		match := e.matches(c, repositoryType, p.service)
		all, some := covers(e.namesOf(c), n)
		switch {
		case match == no || !some:
		case match == yes && all:
			return !e.has(action)
		case e.has(action):
			return false
		}
	}
	return true
}

// catalog reports whether docker_auth surely lets a caller list all repositories: the
// scope registry:catalog:*.
func (p *proof) catalog(c *caller) bool {
	for i := range p.entries {
		e := &p.entries[i]
		match := e.matches(c, registryType, p.service)
		if e.Match.Name != nil {
			match = match.also(e.catalogName(c))
		}
		switch {
		case match == no:
		case match == yes:
			return e.has("*")
		case !e.has("*"):
			return false
		}
	}
	return false
}

// catalogName says whether the entry's pattern of names matches "catalog".
func (e *dockerEntry) catalogName(c *caller) certainty {
	sure := no
	for _, n := range e.namesOf(c) {
		switch one := (names{pattern: "catalog"}); {
		case one.within(n):
			return yes
		case !one.apart(n):
			sure = maybe
		}
	}
	return sure
}

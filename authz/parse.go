package authz

import (
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// Parse reads a policy document. name is what problems call it, usually the
// file's name. The error is a [Problems] that holds every fault, not just the
// first; what the document's own tests say is checked by [Document.Compile].
func Parse(name string, data []byte) (*Document, error) {
	p := &parser{doc: &Document{Name: name}, roles: map[string]Role{}}
	p.problems.file = name
	if root, ok := p.decodeTree(data); ok {
		p.document(root)
	}
	slices.SortStableFunc(p.problems.list, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	if err := p.problems.err(); err != nil {
		return nil, err
	}
	return p.doc, nil
}

type parser struct {
	reader
	doc   *Document
	roles map[string]Role
}

// document reads the sections in the order in which they depend on each other,
// whatever their order in the file.
func (p *parser) document(root value) {
	sections := map[string]value{}
	known := []string{"roles", "bindings", "guardrails", "tests"}
	p.mapping(root, known, func(key string, v value) { sections[key] = v })

	for _, role := range BuiltinRoles() {
		p.roles[role.Name] = role
	}
	if v, ok := sections["roles"]; ok {
		p.mapping(v, nil, p.role)
	}
	if v, ok := sections["bindings"]; ok {
		p.list(v, "bindings", p.binding)
	}
	if v, ok := sections["guardrails"]; ok {
		p.list(v, "guardrails", p.guardrail)
	}
	if v, ok := sections["tests"]; ok {
		p.list(v, "tests", p.test)
	}
	p.uniqueNames()
}

// role reads one entry of `roles`.
func (p *parser) role(name string, v value) {
	if err := checkName(name); err != nil {
		p.fault(v, "the role's name: %v", err)
		return
	}
	if _, builtin := p.roles[name]; builtin {
		p.fault(v, "role %q is built in and cannot be defined again; give yours another name", name)
		return
	}
	role := Role{Name: name, Actions: p.actions(v).impliedByRole(), Line: v.node.Line}
	p.roles[name] = role
	p.doc.Roles = append(p.doc.Roles, role)
}

// actions reads a list of actions that may not be empty.
func (p *parser) actions(v value) Actions {
	var set Actions
	p.filledList(v, "actions", func(item value) {
		name, ok := p.text(item)
		if !ok {
			return
		}
		action, ok := ParseAction(name)
		if !ok {
			known := Actions(repositoryActions | Actions(Catalog)).Names()
			p.fault(item, "unknown action %q: use %s%s", name, quoteList(known), didYouMean(name, known))
			return
		}
		if set.Has(action) {
			p.fault(item, "the action %q stands twice", name)
		}
		set |= Actions(action)
	})
	return set
}

func (p *parser) binding(v value) {
	b := Binding{Line: v.node.Line}
	known := []string{"name", "role", "subjects", "repositories", "registries", "expires", "reason"}
	has := map[string]bool{}
	ok := p.mapping(v, known, func(key string, v value) {
		has[key] = true
		switch key {
		case "name":
			b.Name = p.label(v)
		case "role":
			b.Role = p.roleNamed(v)
		case "subjects":
			b.Subjects = p.principals(v)
		case "repositories":
			b.Repositories = p.patterns(v)
		case "registries":
			b.Registries = p.labels(v, "registries")
		case "expires":
			b.Expires = p.time(v)
		case "reason":
			b.Reason = p.label(v)
		}
	})
	if !ok {
		return
	}
	p.require(v, has, "name", "role", "subjects")
	p.checkReach(v, &b, has)
	p.doc.Bindings = append(p.doc.Bindings, b)
}

// checkReach refuses limits that the role does not have: a catalog-reader or a
// policy-admin "of payments/**" would be one of everything.
func (p *parser) checkReach(v value, b *Binding, has map[string]bool) {
	switch {
	case b.Role.Name == "":
	case b.Role.onRepositories():
		if !has["repositories"] {
			p.fault(v, "role %q concerns repositories and the binding names none: add repositories, [\"**\"] for all", b.Role.Name)
		}
	case has["repositories"]:
		p.fault(v, "role %q (%s) is not limited to repositories: remove repositories, since it would limit nothing", b.Role.Name, b.Role.Rights())
	}
	if b.Role.Capabilities != 0 && has["registries"] {
		p.fault(v, "role %q (%s) is not limited to registries: remove registries, since it would limit nothing", b.Role.Name, b.Role.Rights())
	}
}

func (p *parser) guardrail(v value) {
	g := Guardrail{Line: v.node.Line}
	known := []string{"name", "deny", "repositories", "except", "registries", "reason"}
	has := map[string]bool{}
	ok := p.mapping(v, known, func(key string, v value) {
		has[key] = true
		switch key {
		case "name":
			g.Name = p.label(v)
		case "deny":
			g.Deny = p.actions(v)
		case "repositories":
			g.Repositories = p.patterns(v)
		case "except":
			g.Except = p.principals(v)
			if slices.Contains(g.Except, Principal{Kind: EveryonePrincipal}) {
				p.fault(v, "anonymous means everybody, so this guardrail would deny nothing: remove anonymous")
			}
		case "registries":
			g.Registries = p.labels(v, "registries")
		case "reason":
			g.Reason = p.label(v)
		}
	})
	if !ok {
		return
	}
	p.require(v, has, "name", "deny")
	switch onRepositories := g.Deny&repositoryActions != 0; {
	case onRepositories && !has["repositories"]:
		p.fault(v, "the guardrail denies %s and names no repositories: add repositories, [\"**\"] for all", g.Deny&repositoryActions)
	case !onRepositories && g.Deny != 0 && has["repositories"]:
		p.fault(v, "the catalog is not limited to repositories: remove repositories, since it would limit nothing")
	}
	p.doc.Guardrails = append(p.doc.Guardrails, g)
}

func (p *parser) roleNamed(v value) Role {
	name, ok := p.text(v)
	if !ok {
		return Role{}
	}
	role, ok := p.roles[name]
	if !ok {
		names := make([]string, 0, len(p.roles))
		for _, r := range BuiltinRoles() {
			names = append(names, r.Name)
		}
		for _, r := range p.doc.Roles {
			names = append(names, r.Name)
		}
		p.fault(v, "unknown role %q: define it under roles, or use one of %s%s", name, quoteList(names), didYouMean(name, names))
	}
	return role
}

func (p *parser) principals(v value) []Principal {
	var list []Principal
	p.filledList(v, "subjects", func(item value) {
		text, ok := p.text(item)
		if !ok {
			return
		}
		principal, err := ParsePrincipal(text)
		if err != nil {
			p.fault(item, "%v", err)
			return
		}
		list = append(list, principal)
	})
	return list
}

func (p *parser) patterns(v value) []Pattern {
	var list []Pattern
	p.filledList(v, "repositories", func(item value) {
		text, ok := p.text(item)
		if !ok {
			return
		}
		pattern, err := ParsePattern(text)
		if err != nil {
			p.fault(item, "%v", err)
			return
		}
		list = append(list, pattern)
	})
	return list
}

func (p *parser) labels(v value, what string) []string {
	var list []string
	p.filledList(v, what, func(item value) { list = append(list, p.label(item)) })
	return list
}

// time reads an RFC 3339 time. A date alone is refused: whether its day is
// included is anybody's guess.
func (p *parser) time(v value) time.Time {
	if !p.plain(v) {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, v.node.Value)
	if v.node.Kind != yaml.ScalarNode || err != nil || t.IsZero() {
		p.fault(v, "%q is no time: write date, time and zone as in 2027-01-31T00:00:00Z", v.node.Value)
		return time.Time{}
	}
	return t
}

func (p *parser) require(v value, has map[string]bool, keys ...string) {
	for _, key := range keys {
		if !has[key] {
			p.fault(v, "the key %q is missing", key)
		}
	}
}

// uniqueNames reports names that stand twice: explain and audit refer to
// bindings and guardrails by name.
func (p *parser) uniqueNames() {
	bindings, guardrails := map[string]int{}, map[string]int{}
	for i := range p.doc.Bindings {
		p.unique("binding", bindings, p.doc.Bindings[i].Name, p.doc.Bindings[i].Line)
	}
	for i := range p.doc.Guardrails {
		p.unique("guardrail", guardrails, p.doc.Guardrails[i].Name, p.doc.Guardrails[i].Line)
	}
}

func (p *parser) unique(what string, seen map[string]int, name string, line int) {
	if first, twice := seen[name]; twice && name != "" {
		p.problems.add(line, 0, "", "%s %q stands twice; the first is in line %d", what, name, first)
		return
	}
	seen[name] = line
}

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
			known := (repositoryActions | Actions(Catalog)).Names()
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

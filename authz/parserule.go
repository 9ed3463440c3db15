package authz

import "slices"

// binding reads one entry of `bindings`.
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
	if b.Role.Capabilities.Has(OwnNamespace) {
		for i := range b.Repositories {
			if pattern := &b.Repositories[i]; len(pattern.segments) > 0 && !pattern.isNamespace() {
				p.fault(v, "role %q is for a part of the registry such as payments/**, and %s is none: write plain segments and then **", b.Role.Name, pattern)
			}
		}
	}
	if b.Role.Capabilities != 0 && has["registries"] {
		p.fault(v, "role %q (%s) is not limited to registries: remove registries, since it would limit nothing", b.Role.Name, b.Role.Rights())
	}
}

// guardrail reads one entry of `guardrails`.
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

package authz

import (
	"errors"
	"strings"

	"drawbridge/identity"
)

// TestCaller is the caller of an embedded test: a user, groups of one
// connector, both, a robot, or (the zero value) the anonymous caller.
type TestCaller struct {
	Kind      identity.Kind
	Connector string
	// Name is empty when a test names groups only: somebody in them.
	Name   string
	Groups []string
}

// Identity returns the caller as a connector would report it.
func (c TestCaller) Identity() identity.Identity {
	return identity.Identity{Kind: c.Kind, Connector: c.Connector, Name: c.Name, Groups: c.Groups}
}

// String returns how a report calls the caller.
func (c TestCaller) String() string {
	switch {
	case c.Kind == identity.Anonymous:
		return "anonymous"
	case c.Name == "":
		return "somebody in " + c.Connector + "/" + strings.Join(c.Groups, ", "+c.Connector+"/")
	}
	return c.Identity().String()
}

var (
	errAsNobody = errors.New("say who asks: user, groups, robot, or anonymous: true")
	errAsTwo    = errors.New("one test has one caller: user and groups, or robot, or anonymous: true")
)

func (p *parser) test(v value) {
	t := Test{Line: v.node.Line}
	known := []string{"as", "registry", "repository", "catalog", "allow", "deny", "at"}
	has := map[string]bool{}
	ok := p.mapping(v, known, func(key string, v value) {
		has[key] = true
		switch key {
		case "as":
			t.As = p.testCaller(v)
		case "registry":
			t.Registry = p.label(v)
		case "repository":
			t.Scope = p.testRepository(v)
		case "catalog":
			p.isTrue(v)
			t.Scope = CatalogScope()
		case "allow":
			t.Allow = p.actions(v)
		case "deny":
			t.Deny = p.actions(v)
		case "at":
			t.At = p.time(v)
		}
	})
	if !ok {
		return
	}
	p.require(v, has, "as")
	p.checkTest(v, &t, has)
	p.doc.Tests = append(p.doc.Tests, t)
}

func (p *parser) checkTest(v value, t *Test, has map[string]bool) {
	if has["repository"] == has["catalog"] {
		p.fault(v, "a test is about one thing: repository: <name> or catalog: true")
		return
	}
	if !has["allow"] && !has["deny"] {
		p.fault(v, "the test expects nothing: add allow or deny")
	}
	if both := t.Allow & t.Deny; both != 0 {
		p.fault(v, "%s is both under allow and under deny", both)
	}
	if odd := (t.Allow | t.Deny) &^ t.Scope.Requested(); odd != 0 && t.Scope.Fault() == nil {
		p.fault(v, "%s does not concern this resource: test repositories with pull, push and delete, catalog: true with catalog", odd)
	}
}

func (p *parser) testRepository(v value) Scope {
	name, ok := p.text(v)
	if !ok {
		return Scope{}
	}
	scope, err := RepositoryScope(name, repositoryActions)
	if err != nil {
		p.fault(v, "no legal repository name: %v", err)
	}
	return scope
}

func (p *parser) isTrue(v value) bool {
	if !p.plain(v) {
		return false
	}
	if v.node.Tag != "!!bool" || !strings.EqualFold(v.node.Value, "true") {
		p.fault(v, "write true, or leave the key out")
		return false
	}
	return true
}

// testCallerParts is what stands under `as`.
type testCallerParts struct {
	user, robot *Principal
	groups      []Principal
	anonymous   bool
}

// kinds counts how many different callers the parts describe.
func (c *testCallerParts) kinds() int {
	n := 0
	for _, is := range []bool{c.isPerson(), c.robot != nil, c.anonymous} {
		if is {
			n++
		}
	}
	return n
}

func (c *testCallerParts) isPerson() bool { return c.user != nil || len(c.groups) > 0 }

func (p *parser) testCaller(v value) TestCaller {
	before := len(p.problems.list)
	parts, ok := p.testCallerParts(v)
	switch kinds := parts.kinds(); {
	case !ok:
	case kinds > 1:
		p.fault(v, "%v", errAsTwo)
	case kinds == 0 && len(p.problems.list) == before:
		p.fault(v, "%v", errAsNobody)
	case parts.robot != nil:
		return TestCaller{Kind: identity.Robot, Name: parts.robot.Name}
	case parts.isPerson():
		return p.testPerson(v, parts.user, parts.groups)
	}
	return TestCaller{}
}

func (p *parser) testCallerParts(v value) (parts testCallerParts, ok bool) {
	known := []string{"user", "groups", "robot", "anonymous"}
	ok = p.mapping(v, known, func(key string, v value) {
		switch key {
		case "user":
			parts.user = p.caller(v, "user:")
		case "robot":
			parts.robot = p.caller(v, "robot:")
		case "anonymous":
			parts.anonymous = p.isTrue(v)
		case "groups":
			p.list(v, "groups", func(item value) {
				if g := p.caller(item, "group:"); g != nil {
					parts.groups = append(parts.groups, *g)
				}
			})
		}
	})
	return parts, ok
}

// testPerson puts a user and groups together. The groups of a person come from
// the connector that vouches for the person, so another connector's groups are
// a slip.
func (p *parser) testPerson(v value, user *Principal, groups []Principal) TestCaller {
	c := TestCaller{Kind: identity.User}
	if user != nil {
		c.Connector, c.Name = user.Connector, user.Name
	} else {
		c.Connector = groups[0].Connector
	}
	for _, g := range groups {
		if g.Connector != c.Connector {
			p.fault(v, "group %s/%s is of another connector than %s: a person's groups come from the person's connector", g.Connector, g.Name, c.Connector)
		}
		c.Groups = append(c.Groups, g.Name)
	}
	c.Groups = identity.NormalizeGroups(c.Groups)
	return c
}

// caller reads a user, group or robot of a test, which is written without its
// kind since the key says it.
func (p *parser) caller(v value, kind string) *Principal {
	text, ok := p.text(v)
	if !ok {
		return nil
	}
	principal, err := ParsePrincipal(kind + strings.TrimPrefix(text, kind))
	if err != nil {
		p.fault(v, "%v", err)
		return nil
	}
	if principal.Connector == AnyConnector {
		p.fault(v, "a test names one connector, as in corp/alice")
		return nil
	}
	return &principal
}

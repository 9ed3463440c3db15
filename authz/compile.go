package authz

import (
	"fmt"
	"slices"
)

// Options are what a document does not say about the installation it is for.
type Options struct {
	// HomeConnector is the connector whose users and groups have bare slugs, as
	// in users/alice; everybody else's are qualified, as in users/corp--alice.
	// Empty makes every slug bare, which keeps two users apart only where there
	// is a single connector: set it wherever decisions are enforced.
	HomeConnector string
	// Connectors, when not nil, are the configured ones; a subject of another
	// is a fault, since it can never match.
	Connectors []string
	// Registries, when not nil, are the configured services; a binding that is
	// limited to another is a fault, since it can never grant.
	Registries []string
}

// maxIndexEntries bounds subjects x patterns over all bindings, which a short
// document can make very large.
const maxIndexEntries = 4 << 20

// Policy answers decisions. It is immutable and safe for concurrent use; a new
// revision of the document is a new Policy.
type Policy struct {
	doc     *Document
	options Options
	people  principalIndex
	index   ruleIndex
	except  [][]principalID // by guardrail
}

// Compile indexes the document and runs its tests. The error is a [Problems];
// a document one of whose tests fails does not compile.
func (d *Document) Compile(opts Options) (*Policy, error) {
	p, err := d.build(opts)
	if err != nil {
		return nil, err
	}
	problems := problemList{file: d.Name}
	for i, result := range p.runTests() {
		if !result.Passed {
			problems.add(result.Line, 0, fmt.Sprintf("tests[%d]", i), "%s", result.Reason)
		}
	}
	if err := problems.err(); err != nil {
		return nil, err
	}
	return p, nil
}

// Options returns what the policy was compiled with.
func (p *Policy) Options() Options { return p.options }

// Document returns what the policy was compiled from.
func (p *Policy) Document() *Document { return p.doc }

// build is Compile without the tests.
func (d *Document) build(opts Options) (*Policy, error) {
	problems := problemList{file: d.Name}
	d.checkOptions(&problems, opts)
	if n := d.indexEntries(); n > maxIndexEntries {
		problems.add(0, 0, "", "subjects times repositories over all bindings are %d; at most %d are indexed: name groups instead of people", n, maxIndexEntries)
	}
	if err := problems.err(); err != nil {
		return nil, err
	}
	p := &Policy{doc: d, options: opts, people: newPrincipalIndex()}
	p.index = buildRuleIndex(d, &p.people)
	for i := range d.Guardrails {
		p.except = append(p.except, p.people.internAll(d.Guardrails[i].Except))
	}
	return p, nil
}

func (d *Document) indexEntries() int {
	n := 0
	for i := range d.Bindings {
		n += len(d.Bindings[i].Subjects) * max(len(d.Bindings[i].Repositories), 1)
	}
	return n
}

func (d *Document) checkOptions(problems *problemList, opts Options) {
	if home := opts.HomeConnector; home != "" && !ValidConnectorName(home) {
		problems.add(0, 0, "", "%q is no connector name, so nobody's slugs can be told apart", home)
	}
	for i := range d.Bindings {
		b := &d.Bindings[i]
		at := fmt.Sprintf("bindings[%d]", i)
		checkConnectors(problems, opts, b.Line, at, b.Subjects)
		checkRegistries(problems, opts, b.Line, at, b.Registries)
	}
	for i := range d.Guardrails {
		g := &d.Guardrails[i]
		at := fmt.Sprintf("guardrails[%d]", i)
		checkConnectors(problems, opts, g.Line, at, g.Except)
		checkRegistries(problems, opts, g.Line, at, g.Registries)
	}
	for i := range d.Tests {
		t := &d.Tests[i]
		at := fmt.Sprintf("tests[%d]", i)
		if t.As.Connector != "" {
			checkConnectors(problems, opts, t.Line, at, []Principal{{UserPrincipal, t.As.Connector, t.As.Name}})
		}
		if t.Registry != "" {
			checkRegistries(problems, opts, t.Line, at, []string{t.Registry})
		}
	}
}

func checkConnectors(problems *problemList, opts Options, line int, path string, subjects []Principal) {
	if opts.Connectors == nil {
		return
	}
	for _, s := range subjects {
		if s.Connector != "" && s.Connector != AnyConnector && !slices.Contains(opts.Connectors, s.Connector) {
			problems.add(line, 0, path, "subject %q: no connector is called %q%s", s, s.Connector, didYouMean(s.Connector, opts.Connectors))
		}
	}
}

func checkRegistries(problems *problemList, opts Options, line int, path string, registries []string) {
	if opts.Registries == nil {
		return
	}
	for _, r := range registries {
		if !slices.Contains(opts.Registries, r) {
			problems.add(line, 0, path, "no registry has the service %q%s", r, didYouMean(r, opts.Registries))
		}
	}
}

package authz

import (
	"fmt"
	"slices"
	"strings"
)

// TestResult is what one embedded test came to.
type TestResult struct {
	Line int `json:"line"`
	// As and Scope say what was asked.
	As     string `json:"as"`
	Scope  string `json:"scope"`
	Passed bool   `json:"passed"`
	// Reason says what was expected, what is granted and why; empty when passed.
	Reason string `json:"reason,omitempty"`
}

// RunTests runs the document's tests and returns one result for each, in order.
// The error is a [Problems] and means that the document cannot be indexed.
func (d *Document) RunTests(opts Options) ([]TestResult, error) {
	p, err := d.build(opts)
	if err != nil {
		return nil, err
	}
	return p.runTests(), nil
}

func (p *Policy) runTests() []TestResult {
	everywhere := p.registries()
	results := make([]TestResult, 0, len(p.doc.Tests))
	for i := range p.doc.Tests {
		t := &p.doc.Tests[i]
		registries := everywhere
		if t.Registry != "" {
			registries = []string{t.Registry}
		}
		reason := p.check(t, registries)
		results = append(results, TestResult{
			Line: t.Line, As: t.As.String(), Scope: t.Scope.String(), Passed: reason == "", Reason: reason,
		})
	}
	return results
}

// registries returns every service that can make a difference: the configured
// ones, those the document names, and, when none is configured, one that nobody
// names.
func (p *Policy) registries() []string {
	all := append([]string{}, p.options.Registries...)
	if len(all) == 0 {
		all = append(all, "")
	}
	for i := range p.doc.Bindings {
		all = append(all, p.doc.Bindings[i].Registries...)
	}
	for i := range p.doc.Guardrails {
		all = append(all, p.doc.Guardrails[i].Registries...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// check returns why the test fails, or "". Of the registries given, one has to
// grant everything under allow, and none may grant anything under deny.
func (p *Policy) check(t *Test, registries []string) string {
	s := p.resolve(t.As.Identity())
	var best Actions
	where, found := "", false
	for _, registry := range registries {
		granted := p.Decide(&s, registry, t.Scope, t.At)
		if wrong := granted & t.Deny; wrong != 0 {
			return p.failure(t, &s, registry, fmt.Sprintf("%s is granted to %s on %s and the test denies it", wrong, t.As, resourceName(t.Scope)), wrong)
		}
		if missing := t.Allow &^ granted; !found || len(missing.Names()) < len(best.Names()) {
			best, where, found = missing, registry, true
		}
	}
	if best == 0 {
		return ""
	}
	return p.failure(t, &s, where, fmt.Sprintf("%s is not granted to %s on %s and the test allows it", best, t.As, resourceName(t.Scope)), best)
}

// failure adds to the finding why each of the actions was decided as it was.
func (p *Policy) failure(t *Test, s *Subject, registry, finding string, about Actions) string {
	e := p.Explain(s, registry, t.Scope, t.At)
	var why []string
	for _, a := range e.Actions {
		action, _ := ParseAction(a.Action)
		if !about.Has(action) {
			continue
		}
		switch a.Verdict {
		case Allowed:
			why = append(why, fmt.Sprintf("%s: granted by %s", a.Action, quoted(a.Bindings)))
		case BlockedBy:
			why = append(why, fmt.Sprintf("%s: blocked by guardrail %s", a.Action, quoted(a.Guardrails)))
		case NoGrant:
			why = append(why, a.Action+": no binding grants it")
		}
	}
	if len(e.NearMisses) > 0 {
		why = append(why, fmt.Sprintf("closest is %q: %s", e.NearMisses[0].Binding, e.NearMisses[0].Detail))
	}
	if registry != "" {
		finding += fmt.Sprintf(" (registry %q)", registry)
	}
	return finding + "; " + strings.Join(why, "; ")
}

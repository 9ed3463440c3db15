package authz

import "testing"

// looksAt counts the index entries that a decision looks at, on the way that
// Policy.evaluate takes.
func looksAt(p *Policy, s *Subject, scope Scope) int {
	count, at := 0, rootNode
	for depth := 0; ; depth++ {
		n := &p.index.nodes[at]
		if n.byPrincipal == nil {
			count += int(n.end - n.start)
		}
		for _, id := range s.principals() {
			part := n.byPrincipal[id]
			count += int(part.end - part.start)
		}
		if depth == len(scope.segments) {
			return count
		}
		next, ok := p.index.edges[edge{at, scope.segments[depth]}]
		if !ok {
			return count
		}
		at = next
	}
}

// TestADecisionLooksAtWhatCanMatch holds for any number of bindings, and for
// those whose patterns share their first segments or begin with a wildcard.
func TestADecisionLooksAtWhatCanMatch(t *testing.T) {
	for _, crowded := range []bool{false, true} {
		for _, n := range []int{300, 10_000} {
			p := benchPolicy(t, n, crowded)
			s := p.Subject(benchCaller())
			for name, scope := range benchScopes(t, crowded) {
				if got, most := looksAt(p, &s, scope), len(s.id.Groups)+2*scanLimit; got > most {
					t.Errorf("%d bindings, crowded=%v, %s: looks at %d of them, want at most %d", n, crowded, name, got, most)
				}
			}
		}
	}
}

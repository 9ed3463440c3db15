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
		} else {
			for _, id := range s.principals() {
				part := n.byPrincipal.get(id)
				count += int(part.end - part.start)
			}
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

func TestSpanTable(t *testing.T) {
	for n := range 200 {
		table := newSpanTable(n)
		for i := range n {
			table.put(principalID(1+3*i), span{uint32(i), uint32(i + 1)})
		}
		for p := range 3 * n {
			want := span{}
			if p%3 == 1 {
				want = span{uint32(p / 3), uint32(p/3 + 1)}
			}
			if got := table.get(principalID(p)); got != want && p > 0 {
				t.Fatalf("%d of %d: got %v, want %v", p, n, got, want)
			}
		}
	}
}

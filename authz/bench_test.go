package authz

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"drawbridge/identity"
)

// benchPolicy makes a document of n bindings as a company has them: one per
// team, on the team's own prefix or, in the crowded form, all below the same
// first segments and half of them behind a wildcard, which is the worst case of
// an index by prefix.
func benchPolicy(tb testing.TB, n int, crowded bool) *Policy {
	tb.Helper()
	var b strings.Builder
	b.WriteString("bindings:\n")
	b.WriteString("  - {name: public, role: puller, subjects: [anonymous], repositories: ['public/**']}\n")
	b.WriteString("  - {name: own, role: maintainer, subjects: [authenticated], repositories: ['users/${user}/**', 'groups/${group}/**']}\n")
	for i := range n - 2 {
		pattern := fmt.Sprintf("team-%d/**", i)
		switch {
		case crowded && i%2 == 0:
			pattern = fmt.Sprintf("*/svc-%d/**", i)
		case crowded:
			pattern = fmt.Sprintf("apps/svc-%d-*/**", i)
		}
		fmt.Fprintf(&b, "  - {name: b%d, role: pusher, subjects: ['group:corp/team-%d'], repositories: ['%s']}\n", i, i, pattern)
	}
	b.WriteString("guardrails:\n")
	for i := range 10 {
		fmt.Fprintf(&b, "  - {name: g%d, deny: [delete], repositories: ['team-%d/release/**'], except: ['group:corp/release']}\n", i, i)
	}
	return compile(tb, b.String(), Options{HomeConnector: "corp"})
}

// benchCaller is somebody in 30 groups, each of which the policy names.
func benchCaller() identity.Identity {
	groups := make([]string, 30)
	for i := range groups {
		groups[i] = fmt.Sprintf("team-%d", i*7)
	}
	return user("corp/jürgen.müller", identity.NormalizeGroups(groups)...)
}

func benchScopes(tb testing.TB, crowded bool) map[string]Scope {
	granted, denied := "repository:team-203/api:pull,push", "repository:team-202/api:pull,push"
	if crowded {
		granted, denied = "repository:apps/svc-203-x/api:pull,push", "repository:apps/svc-205-x/api:pull,push"
	}
	return map[string]Scope{
		"granted": scopeOf(tb, granted),
		"denied":  scopeOf(tb, denied),
		"own":     scopeOf(tb, "repository:users/j__c3__bcrgen.m__c3__bcller/x:pull,push"),
		"group":   scopeOf(tb, "repository:groups/team-nobody/x:pull,push"),
	}
}

// BenchmarkDecide measures a decision together with resolving the caller.
func BenchmarkDecide(b *testing.B) {
	now := time.Unix(1_790_000_000, 0)
	caller := benchCaller()
	for _, crowded := range []bool{false, true} {
		for _, n := range []int{300, 10_000, 100_000} {
			p := benchPolicy(b, n, crowded)
			for name, scope := range benchScopes(b, crowded) {
				b.Run(fmt.Sprintf("bindings=%d/crowded=%v/%s", n, crowded, name), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						s := p.Subject(caller)
						p.Decide(&s, "Docker registry", scope, now)
					}
				})
			}
		}
	}
}

// BenchmarkDecideOnly leaves resolving out: the second scope of a request.
func BenchmarkDecideOnly(b *testing.B) {
	now := time.Unix(1_790_000_000, 0)
	p := benchPolicy(b, 300, false)
	s := p.Subject(benchCaller())
	scope := benchScopes(b, false)["granted"]
	b.ReportAllocs()
	for b.Loop() {
		p.Decide(&s, "Docker registry", scope, now)
	}
}

func BenchmarkParseScopes(b *testing.B) {
	values := []string{"repository:payments/api:pull,push repository:payments/base:pull"}
	b.ReportAllocs()
	for b.Loop() {
		ParseScopes(values)
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, n := range []int{300, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				benchPolicy(b, n, false)
			}
		})
	}
}

func TestADecisionDoesNotAllocate(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	caller := benchCaller()
	for _, crowded := range []bool{false, true} {
		p := benchPolicy(t, 300, crowded)
		for name, scope := range benchScopes(t, crowded) {
			if name == "granted" || name == "own" {
				s := p.Subject(caller)
				if got := p.Decide(&s, "Docker registry", scope, now); got != ActionsOf(Pull, Push) {
					t.Fatalf("%s: got %s", name, got)
				}
			}
			allocs := testing.AllocsPerRun(100, func() {
				s := p.Subject(caller)
				p.Decide(&s, "Docker registry", scope, now)
			})
			if allocs != 0 {
				t.Errorf("crowded=%v %s: %v allocations", crowded, name, allocs)
			}
		}
	}
}

package authz

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/identity"
)

const semantics = `
roles:
  writer: [push]
  cleaner: [delete]
  lister: [catalog, pull]
bindings:
  - {name: writers, role: writer, subjects: ["group:corp/writers"], repositories: ["w/**"]}
  - {name: cleaners, role: cleaner, subjects: ["group:corp/cleaners"], repositories: ["w/**"]}
  - {name: listers, role: lister, subjects: ["group:corp/listers"], repositories: ["l"]}
  - {name: catalog, role: catalog-reader, subjects: ["robot:scanner"], registries: [main]}
  - {name: old, role: puller, subjects: ["robot:old"], repositories: ["**"], expires: 2026-01-01T00:00:00+02:00}
  - {name: zone, role: puller, subjects: [authenticated], repositories: ["z/*"], registries: [main, "the other"]}
  - {name: audit, role: auditor, subjects: ["group:*/audit"]}
  - {name: admins, role: policy-admin, subjects: ["user:corp/root"], expires: 2026-01-01T00:00:00Z}
guardrails:
  - {name: frozen, deny: [push, delete], repositories: ["w/frozen/**", "w/*/frozen"], except: ["robot:release", "group:corp/release"]}
  - {name: secret, deny: [pull], repositories: ["w/secret"], registries: [main]}
  - {name: quiet, deny: [catalog], except: ["robot:scanner"], registries: [main]}
`

func TestSemantics(t *testing.T) {
	p := compile(t, semantics, Options{HomeConnector: "corp"})
	expiry := time.Date(2025, 12, 31, 22, 0, 0, 0, time.UTC)
	writer := user("corp/w", "writers")
	both := user("corp/b", "cleaners", "writers")
	for _, tt := range []struct {
		name     string
		id       identity.Identity
		registry string
		scope    string
		now      time.Time
		want     string
	}{
		{"push implies pull", writer, "main", "repository:w/a:*", expiry, "pull,push"},
		{"delete implies nothing", user("corp/c", "cleaners"), "main", "repository:w/a:*", expiry, "delete"},
		{"a union of bindings", both, "main", "repository:w/a:*", expiry, "pull,push,delete"},
		{"no more than was asked", both, "main", "repository:w/a:delete", expiry, "delete"},
		{"no more than is granted", writer, "main", "repository:w/a:delete", expiry, ""},
		{"guardrail", both, "main", "repository:w/frozen/x:*", expiry, "pull"},
		{"guardrail's second pattern", both, "main", "repository:w/a/frozen:*", expiry, "pull"},
		{"guardrail does not reach", both, "main", "repository:w/frozen:*", expiry, "pull,push,delete"},
		{"excepted", user("corp/r", "release", "writers"), "main", "repository:w/frozen/x:*", expiry, "pull,push"},
		{"an exception grants nothing", user("corp/r", "release"), "main", "repository:w/frozen/x:*", expiry, ""},
		{"exception of another connector", user("sso/r", "release"), "main", "repository:w/frozen/x:*", expiry, ""},
		{"guardrail on pull leaves push", writer, "main", "repository:w/secret:*", expiry, "push"},
		{"guardrail of another registry", writer, "other", "repository:w/secret:*", expiry, "pull,push"},
		{"registry with a space", writer, "the other", "repository:z/a:pull", expiry, "pull"},
		{"registry not listed", writer, "the", "repository:z/a:pull", expiry, ""},
		{"registries compare exactly", writer, "Main", "repository:z/a:pull", expiry, ""},
		{"unnamed registry", writer, "", "repository:z/a:pull", expiry, ""},
		{"one star, one segment", writer, "main", "repository:z/a/b:pull", expiry, ""},
		{"before expiry", robot("old"), "main", "repository:a:pull", expiry.Add(-1), "pull"},
		{"at expiry", robot("old"), "main", "repository:a:pull", expiry, ""},
		{"zero time", robot("old"), "main", "repository:a:pull", never(), "pull"},
		{"catalog", robot("scanner"), "main", "registry:catalog:*", expiry, "*"},
		{"zot's catalog", robot("scanner"), "main", "repository::pull", expiry, "pull"},
		{"catalog elsewhere", robot("scanner"), "other", "registry:catalog:*", expiry, ""},
		{"catalog by a custom role", user("corp/l", "listers"), "other", "registry:catalog:*", expiry, "*"},
		{"catalog denied", user("corp/l", "listers"), "main", "registry:catalog:*", expiry, ""},
		{"zot's catalog denied", user("corp/l", "listers"), "main", "repository::pull", expiry, ""},
		{"the role's other part", user("corp/l", "listers"), "main", "repository:l:*", expiry, "pull"},
		{"catalog is not pull", robot("scanner"), "main", "repository:a:pull", expiry, ""},
		{"everything is not the catalog", robot("old"), "main", "registry:catalog:*", never(), ""},
		{"unknown type", both, "main", "artifact:w/a:pull", expiry, ""},
		{"unknown action", both, "main", "repository:w/a:admin", expiry, ""},
		{"malformed", both, "main", "repository:w/A:pull", expiry, ""},
		{"traversal", both, "main", "repository:w/../x:pull", expiry, ""},
		{"capability is no action", user("corp/root"), "main", "repository:a:*", never(), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := decide(t, p, tt.id, tt.registry, tt.scope, tt.now); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCapabilities(t *testing.T) {
	p := compile(t, semantics, Options{})
	expiry := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		id   identity.Identity
		now  time.Time
		want string
	}{
		{user("corp/root"), expiry.Add(-1), "read-audit write-policy"},
		{user("corp/root"), expiry, ""},
		{user("sso/root"), expiry.Add(-1), ""},
		{user("sso/x", "audit"), expiry, "read-audit"},
		{robot("root"), never(), ""},
		{anonymous(), never(), ""},
	} {
		s := p.Subject(tt.id)
		if got := strings.Join(p.Capabilities(&s, tt.now).Names(), " "); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.id, got, tt.want)
		}
	}
}

func TestOrderOfBindingsAndGuardrailsIsNothing(t *testing.T) {
	bindings := []string{
		"- {name: a, role: puller, subjects: [authenticated], repositories: ['**']}",
		"- {name: b, role: maintainer, subjects: ['group:corp/x'], repositories: ['a/*']}",
		"- {name: c, role: pusher, subjects: ['user:corp/u'], repositories: ['a/b']}",
	}
	want := ""
	for _, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		text := "bindings:\n"
		for _, i := range order {
			text += bindings[i] + "\n"
		}
		p := compile(t, text+"guardrails: [{name: g, deny: [push], repositories: ['a/b']}]", Options{})
		got := decide(t, p, user("corp/u", "x"), "", "repository:a/b:*", never())
		if want == "" {
			want = got
		}
		if got != want || got != "pull,delete" {
			t.Errorf("%v: got %q", order, got)
		}
	}
}

// TestASubjectOfAnotherPolicy: the numbers of principals differ between
// revisions, and a stale one must not make alice somebody else.
func TestASubjectOfAnotherPolicy(t *testing.T) {
	const a = "{name: a, role: puller, subjects: ['user:corp/alice'], repositories: [a]}"
	const b = "{name: b, role: maintainer, subjects: ['user:corp/bob'], repositories: [a]}"
	before, after := compile(t, "bindings: ["+a+", "+b+"]", Options{}), compile(t, "bindings: ["+b+", "+a+"]", Options{})
	s, scope := before.Subject(user("corp/alice")), scopeOf(t, "repository:a:*")
	if got := after.Decide(&s, "", scope, never()); got != ActionsOf(Pull) {
		t.Errorf("decide: got %s", got)
	}
	if got := after.Explain(&s, "", scope, never()).Granted; strings.Join(got, ",") != "pull" {
		t.Errorf("explain: got %s", got)
	}
	var zero Subject
	if got := after.Decide(&zero, "", scope, never()); got != 0 {
		t.Errorf("the zero subject gets %s", got)
	}
	if got := after.Decide(&s, "", Scope{}, never()); got != 0 {
		t.Errorf("the zero scope gets %s", got)
	}
}

// TestMoreGroupsThanFitInline crosses the border between the inline array and
// the slice, where a lost group would be a lost right.
func TestMoreGroupsThanFitInline(t *testing.T) {
	const n = 3 * inlinePrincipals
	var text strings.Builder
	groups := make([]string, n)
	text.WriteString("bindings:\n")
	for i := range n {
		groups[i] = fmt.Sprintf("g%03d", i)
		fmt.Fprintf(&text, "- {name: b%d, role: puller, subjects: ['group:corp/%s'], repositories: ['r%d', 'all/r%d']}\n", i, groups[i], i, i)
	}
	p := compile(t, text.String(), Options{})
	for _, held := range []int{0, 1, inlinePrincipals - 1, inlinePrincipals, inlinePrincipals + 1, n} {
		id := user("corp/u", groups[:held]...)
		for i := range n {
			want := ""
			if i < held {
				want = "pull"
			}
			for _, repository := range []string{"r", "all/r"} {
				if got := decide(t, p, id, "", fmt.Sprintf("repository:%s%d:pull", repository, i), never()); got != want {
					t.Fatalf("%d groups, %s%d: got %q, want %q", held, repository, i, got, want)
				}
			}
		}
	}
}

func TestDecisionsAreConcurrent(t *testing.T) {
	p := compile(t, semantics, Options{})
	s, scope := p.Subject(user("corp/b", "cleaners", "writers")), scopeOf(t, "repository:w/frozen/x:*")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				if got := p.Decide(&s, "main", scope, never()); got != ActionsOf(Pull) {
					t.Errorf("got %s", got)
					return
				}
				p.Explain(&s, "main", scope, never())
			}
		})
	}
	wg.Wait()
}

package authz

import (
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge/identity"

	"github.com/google/go-cmp/cmp"
)

const shared = `
bindings:
  - {name: dev, role: pusher, subjects: ["group:corp/dev", "user:corp/alice"], repositories: ["payments/**"]}
  - {name: ci, role: puller, subjects: ["robot:ci"], repositories: ["payments/api", "svc-*/x"], registries: [main]}
  - {name: own, role: maintainer, subjects: [authenticated], repositories: ["users/${user}/**"]}
  - {name: team, role: pusher, subjects: [authenticated], repositories: ["${group}/app", "${group}/a*p", "${user}/app"]}
  - {name: gone, role: maintainer, subjects: ["user:corp/old"], repositories: ["**"], expires: 2020-01-01T00:00:00Z}
  - {name: list, role: catalog-reader, subjects: ["group:*/ops"]}
guardrails:
  - {name: frozen, deny: [push], repositories: ["payments/frozen"], except: ["user:corp/alice", "group:corp/rm"]}
`

func TestWhoCan(t *testing.T) {
	p := compile(t, shared, Options{HomeConnector: "corp"})
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct{ registry, scope, want string }{
		{"main", "repository:payments/api:push", "dev:group:corp/dev:push dev:user:corp/alice:push"},
		{"main", "repository:payments/api:pull", "dev:group:corp/dev:pull dev:user:corp/alice:pull ci:robot:ci:pull"},
		{"other", "repository:svc-a/x:pull", ""},
		{"main", "repository:svc-a/x:pull,delete", "ci:robot:ci:pull"},
		{"main", "repository:users/alice/x:delete", "own:authenticated:delete ${user}=alice"},
		{"main", "repository:dev/app:push", "team:authenticated:push ${group}=dev team:authenticated:push ${user}=dev"},
		{"main", "repository:payments/frozen:push", "dev:group:corp/dev:push!frozen(user:corp/alice,group:corp/rm) dev:user:corp/alice:push"},
		{"main", "registry:catalog:*", "list:group:*/ops:catalog"},
		{"main", "repository:payments:pull", ""},
		{"main", "repository:Bad//name:pull", ""},
	} {
		var got []string
		for _, h := range p.WhoCan(tt.registry, scopeOf(t, tt.scope), now) {
			text := h.Binding + ":" + h.Subject + ":" + strings.Join(h.Actions, ",")
			if h.BlockedBy != nil {
				text += "!" + strings.Join(h.BlockedBy, ",") + "(" + strings.Join(h.Except, ",") + ")"
			}
			for _, c := range h.Conditions {
				text += " " + c.Variable + "=" + c.Slug
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s %s:\n got %q\nwant %q", tt.registry, tt.scope, strings.Join(got, " "), tt.want)
		}
	}
}

// TestWhoCanAgreesWithDecide asks both ways for everybody and everything: whoever
// is granted something is on the list, and whoever is on it is granted it.
func TestWhoCanAgreesWithDecide(t *testing.T) {
	p := compile(t, shared, Options{HomeConnector: "corp"})
	people := []identity.Identity{
		anonymous(), user("corp/alice"), user("corp/bob", "dev"), user("corp/rm", "dev", "rm"), user("sso/eve", "dev", "ops"), robot("ci"), user("corp/old"),
	}
	for _, name := range []string{
		"payments/api", "payments/frozen", "payments", "svc-1/x", "users/alice/a", "users/sso--eve/b", "users/robot--ci/c", "dev/app", "sso--dev/app",
	} {
		for _, action := range []string{"pull", "push", "delete"} {
			scope := scopeOf(t, "repository:"+name+":"+action)
			holders := p.WhoCan("main", scope, never())
			for _, id := range people {
				s := p.Subject(id)
				granted := p.Decide(&s, "main", scope, never()) != 0
				listed := slices.ContainsFunc(holders, func(h Holder) bool { return h.is(t, p, id) && !h.isBlocked(t, id) })
				if granted != listed {
					t.Errorf("%s %s on %s: granted %v, listed %v", id, action, name, granted, listed)
				}
			}
		}
	}
}

func (h Holder) is(t *testing.T, p *Policy, id identity.Identity) bool {
	t.Helper()
	subject, err := ParsePrincipal(h.Subject)
	if err != nil {
		t.Fatal(err)
	}
	s := p.Subject(id)
	q := query{subject: &s}
	for _, c := range h.Conditions {
		if c.Variable == "${user}" && !q.isUser(c.Slug) || c.Variable == "${group}" && !s.inGroupOfSlug(c.Slug) {
			return false
		}
	}
	return subject.matches(id)
}

func (h Holder) isBlocked(t *testing.T, id identity.Identity) bool {
	t.Helper()
	for _, e := range h.Except {
		if subject, err := ParsePrincipal(e); err != nil {
			t.Fatal(err)
		} else if subject.matches(id) {
			return false
		}
	}
	return len(h.BlockedBy) > 0
}

func TestFlips(t *testing.T) {
	from := compile(t, shared, Options{HomeConnector: "corp"})
	to := compile(t, strings.NewReplacer(
		`, "user:corp/alice"], repositories: ["payments/**"]`, `], repositories: ["payments/**"]`,
		`deny: [push], repositories: ["payments/frozen"]`, `deny: [push], repositories: ["payments/frozen", "payments/api"]`,
		`"robot:ci"`, `"robot:ci", "robot:new"`,
	).Replace(shared), Options{HomeConnector: "corp"})
	ask := func(id identity.Identity, scope string) Asked { return Asked{id, "main", scopeOf(t, scope)} }
	asked := []Asked{
		ask(user("corp/alice"), "repository:payments/web:pull,push"),
		ask(user("corp/alice"), "repository:payments/web:pull,push"),
		ask(user("corp/bob", "dev"), "repository:payments/api:pull,push"),
		ask(user("corp/carol", "dev"), "repository:payments/api:push"),
		ask(user("corp/bob", "dev"), "repository:payments/web:pull,push"),
		ask(robot("new"), "repository:payments/api:pull"),
		ask(anonymous(), "registry:catalog:*"),
	}
	flips := Flips(from, to, asked, never())
	want := []Flip{
		{Subject: "corp/bob", Registry: "main", Resource: "payments/api", Lost: []string{"push"}, Because: []string{"binding dev", "guardrail frozen"}},
		{Subject: "corp/carol", Registry: "main", Resource: "payments/api", Lost: []string{"push"}, Because: []string{"binding dev", "guardrail frozen"}},
		{Subject: "robot:new", Registry: "main", Resource: "payments/api", Gained: []string{"pull"}, Because: []string{"binding ci"}},
		{Subject: "corp/alice", Registry: "main", Resource: "payments/web", Lost: []string{"pull", "push"}, Because: []string{"binding dev"}},
	}
	for i := range flips { // nil and empty print alike
		flips[i].Lost, flips[i].Gained = append([]string(nil), flips[i].Lost...), append([]string(nil), flips[i].Gained...)
	}
	if diff := cmp.Diff(want, flips); diff != "" {
		t.Error(diff)
	}
	var lines []string
	for _, s := range SummarizeFlips(flips) {
		lines = append(lines, s.String())
	}
	if diff := cmp.Diff([]string{
		"3 people lose push on payments/**", "1 person loses pull on payments/**", "1 person gains pull on payments/**",
	}, lines); diff != "" {
		t.Error(diff)
	}
	if again := Flips(from, from, asked, never()); len(again) != 0 {
		t.Errorf("a policy differs from itself: %v", again)
	}
}

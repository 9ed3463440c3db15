package authz

import (
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge/identity"
)

func TestBindingsOfSomebody(t *testing.T) {
	p := compile(t, semantics, Options{HomeConnector: "corp"})
	expiry := time.Date(2025, 12, 31, 22, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		id   identity.Identity
		now  time.Time
		want string
	}{
		{anonymous(), expiry, ""},
		{user("corp/nobody"), expiry, "zone(authenticated)"},
		{user("corp/w", "writers"), expiry, "writers(group:corp/writers) zone(authenticated)"},
		{user("sso/w", "writers"), expiry, "zone(authenticated)"},
		{user("sso/w", "audit"), expiry, "zone(authenticated) audit(group:*/audit)"},
		{robot("old"), expiry.Add(-1), "old(robot:old) zone(authenticated)"},
		{robot("old"), expiry, "old(robot:old)! zone(authenticated)"},
		{user("corp/old"), expiry, "zone(authenticated)"},
		{identity.Identity{Kind: identity.User, Name: "root", Groups: []string{"writers"}}, expiry, ""},
	} {
		var got []string
		for _, h := range p.Bindings(tt.id, tt.now) {
			text := h.Binding + "(" + strings.Join(h.Through, ",") + ")"
			if h.Expired {
				text += "!"
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: got %q, want %q", tt.id, got, tt.want)
		}
	}
}

func TestBindingsSayWhatTheyGrant(t *testing.T) {
	p := compile(t, semantics, Options{HomeConnector: "corp"})
	held := p.Bindings(user("corp/root", "writers"), never())
	if len(held) != 3 {
		t.Fatalf("got %+v", held)
	}
	for i, want := range []string{"writers: writer pull,push on w/** at ", "zone: puller pull on z/* at main,the other", "admins: policy-admin read-audit,write-policy on  at "} {
		h := held[i]
		got := h.Binding + ": " + h.Role + " " + strings.Join(h.Rights, ",") + " on " + strings.Join(h.Repositories, ",") +
			" at " + strings.Join(h.Registries, ",")
		if got != want || h.Line == 0 {
			t.Errorf("got %q, line %d, want %q", got, h.Line, want)
		}
	}
}

// Whatever a decision grants, it grants by a binding that is listed and live.
func TestDecisionsAgreeWithBindings(t *testing.T) {
	p := compile(t, semantics, Options{HomeConnector: "corp"})
	expiry := time.Date(2025, 12, 31, 22, 0, 0, 0, time.UTC)
	for _, id := range []identity.Identity{
		anonymous(), user("corp/u"), user("corp/w", "writers", "cleaners"), user("corp/l", "listers"),
		user("sso/l", "listers", "writers"), robot("old"), robot("scanner"), robot("release"),
	} {
		for _, now := range []time.Time{expiry.Add(-1), expiry} {
			var live []string
			for _, h := range p.Bindings(id, now) {
				if !h.Expired {
					live = append(live, h.Binding)
				}
			}
			s := p.Subject(id)
			for _, scope := range []string{"repository:w/a:*", "repository:l:*", "repository:z/a:*", "repository:any:pull", "registry:catalog:*"} {
				for _, action := range p.Explain(&s, "main", scopeOf(t, scope), now).Actions {
					for _, binding := range action.Bindings {
						if !slices.Contains(live, binding) {
							t.Errorf("%s: %s of %s is granted by %s, which is not among %q", id, action.Action, scope, binding, live)
						}
					}
				}
			}
		}
	}
}

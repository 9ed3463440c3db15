package authz

import (
	"os"
	"strings"
	"testing"
	"time"

	"drawbridge/identity"

	"github.com/google/go-cmp/cmp"
)

// compile compiles a document that has to be right.
func compile(t testing.TB, text string, opts Options) *Policy {
	t.Helper()
	d, err := Parse("policy.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.Compile(opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func user(name string, groups ...string) identity.Identity {
	connector, name, _ := strings.Cut(name, "/")
	return identity.Identity{Kind: identity.User, Connector: connector, Name: name, Groups: groups}
}

func robot(name string) identity.Identity {
	return identity.Identity{Kind: identity.Robot, Name: name}
}

func anonymous() identity.Identity { return identity.Identity{} }

func scopeOf(t testing.TB, text string) Scope {
	t.Helper()
	scopes := ParseScopes([]string{text})
	if len(scopes) != 1 {
		t.Fatalf("%q is %d scopes", text, len(scopes))
	}
	return scopes[0]
}

// decide returns what the token would list.
func decide(t testing.TB, p *Policy, id identity.Identity, registry, scope string, now time.Time) string {
	t.Helper()
	s, sc := p.Subject(id), scopeOf(t, scope)
	return strings.Join(sc.AnswerActions(p.Decide(&s, registry, sc, now)), ",")
}

func TestTheDocumentOfTheDesign(t *testing.T) {
	data, err := os.ReadFile("testdata/design.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p := compile(t, string(data), Options{HomeConnector: "corp"})
	const service = "Docker registry"
	before := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	after := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	dev := user("corp/bob", "payments-dev")
	for _, tt := range []struct {
		id       identity.Identity
		registry string
		scope    string
		now      time.Time
		want     string
	}{
		{dev, service, "repository:payments/api:pull,push,delete", before, "pull,push"},
		{dev, service, "repository:payments/api:*", before, "pull,push"},
		{dev, service, "repository:payments:pull", before, ""},
		{dev, service, "repository:payments/a/b/c:push", before, "push"},
		{dev, "other", "repository:payments/api:*", before, ""},
		{dev, service, "repository:payments/api:*", after, ""},
		{dev, service, "repository:payments/api:*", after.Add(-time.Nanosecond), "pull,push"},
		{user("sso/bob", "payments-dev"), service, "repository:payments/api:*", before, ""},
		{user("corp/alice"), service, "repository:payments/api:pull", before, "pull"},
		{robot("payments-ci"), service, "repository:payments/api:push", before, "push"},
		{user("robot/payments-ci"), service, "repository:payments/api:push", before, ""},
		{anonymous(), service, "repository:public/x:*", before, "pull"},
		{user("corp/alice"), service, "repository:public/x:*", before, "pull"},
		{anonymous(), service, "repository:payments/api:pull", before, ""},
		{user("corp/alice"), "x", "repository:users/alice/app:*", before, "pull,push,delete"},
		{user("corp/alice"), "x", "repository:users/bob/app:*", before, ""},
		{user("sso/alice"), "x", "repository:users/alice/app:*", before, ""},
		{user("sso/alice"), "x", "repository:users/sso--alice/app:*", before, "pull,push,delete"},
		{robot("ci"), "x", "repository:users/robot--ci/app:*", before, "pull,push,delete"},
		{user("corp/alice"), service, "registry:catalog:*", before, ""},
	} {
		if got := decide(t, p, tt.id, tt.registry, tt.scope, tt.now); got != tt.want {
			t.Errorf("%s asks %q on %q at %s: got %q, want %q", tt.id, tt.scope, tt.registry, tt.now, got, tt.want)
		}
	}
	admin := p.Subject(user("corp/root", "registry-admins"))
	if got := p.Capabilities(&admin, before); !got.Has(WritePolicy) {
		t.Errorf("got %v", got.Names())
	}
	if diff := cmp.Diff(1, len(p.Document().Tests)); diff != "" {
		t.Error(diff)
	}
}

// never is before every expiry.
func never() time.Time { return time.Time{} }

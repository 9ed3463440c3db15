package clients

import (
	"net/http"
	"testing"

	"drawbridge/e2e/testbed"
)

// Two registries, each with an issuer and a service of its own, behind one
// server. A binding holds in one of them, and a token is good in one of them.
func TestTwoRegistries(t *testing.T) {
	t.Parallel()
	s := testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: `
registries:
  - { service: "registry.east", issuer: "issuer of the east", for: distribution-2 }
  - { service: "registry.west", issuer: "issuer of the west", for: distribution-3, token_form: x5c }
` + local + policyFile,
		Files: map[string]string{"htpasswd": testbed.HTPasswd(t, admin, adminPW), "policy.yaml": `
bindings:
  - { name: both, role: puller, subjects: ["user:local/admin"], repositories: ["app"] }
  - { name: east, role: pusher, subjects: ["user:local/admin"], repositories: ["app"], registries: ["registry.east"] }
`},
	})
	start := func(version, service, issuer string) *testbed.Registry {
		return testbed.StartRegistry(t, version, testbed.RegistryOptions{
			Realm: s.URL + "/token", Service: service, Issuer: issuer, RootCertBundle: s.TrustFile,
		})
	}
	east := start(testbed.Registry28, "registry.east", "issuer of the east")
	west := start(testbed.Registry311, "registry.west", "issuer of the west")

	for service, want := range map[string]string{
		"registry.east": "repository:app:pull,push", "registry.west": "repository:app:pull",
	} {
		answer := s.Ask(testbed.TokenRequest{Service: service, User: admin, Password: adminPW, Scopes: []string{"repository:app:pull,push"}})
		if answer.Scope != want {
			t.Errorf("%s grants %q, want %q", service, answer.Scope, want)
		}
		if got := claimsOf(t, answer.Token); got.Audience != service || got.Issuer != "issuer of the "+service[len("registry."):] {
			t.Errorf("%s: the token has %+v", service, got)
		}
		for _, r := range []*testbed.Registry{east, west} {
			status, body := bearer(t, s, r, http.MethodGet, "/v2/app/tags/list", answer.Token)
			accepted := http.StatusUnauthorized
			if (r == east) == (service == "registry.east") {
				accepted = http.StatusNotFound // there is nothing in it
			}
			if status != accepted {
				t.Errorf("a token of %s at registry %s: status %d: %s; want %d", service, r.Version, status, body, accepted)
			}
		}
	}
	pushes(t, s, east, true)
	pushes(t, s, west, false)

	for _, unknown := range []string{"", "registry.north"} {
		answer := s.Ask(testbed.TokenRequest{Service: unknown, User: admin, Password: adminPW})
		if answer.Status != http.StatusBadRequest {
			t.Errorf("service %q: status %d: %s", unknown, answer.Status, answer.Body)
		}
	}
}

// pushes checks whether the administrator may push app, with crane.
func pushes(t *testing.T, s *testbed.Server, r *testbed.Registry, may bool) {
	t.Helper()
	crane := newCraneClient(t, s.CAFile)
	if out, err := crane.login(host(r), admin, adminPW); err != nil {
		t.Fatalf("crane auth login: %v\n%s", err, out)
	}
	if out, err := crane.push(host(r)+"/app:v1", "app"); (err == nil) != may {
		t.Errorf("push to registry %s: %v, want success: %v\n%s", r.Version, err, may, out)
	}
}

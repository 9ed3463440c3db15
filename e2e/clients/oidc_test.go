package clients

import (
	"fmt"
	"net/http"
	"testing"

	"drawbridge/audit"
	"drawbridge/e2e/testbed"
)

// People of an OpenID Connect provider log in and push what their groups there
// may; while it is down they are told to come back.
func TestPeopleOfAnOpenIDProvider(t *testing.T) {
	t.Parallel()
	provider := testbed.StartDex(t, testbed.StartSlapd(t))
	s := testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: registries + local + fmt.Sprintf(`
  - name: sso
    type: oidc
    issuer_url: %q
    issuer_ca_file: %q
    client_id: %q
    client_secret_file: secret
    scopes: [openid, profile, email, groups]
    username_claim: preferred_username
    groups_claim: groups
cache: { credential_ttl: 0s }
`, provider.IssuerURL, provider.CAFile, testbed.DexClientID) + policyFile,
		Files: map[string]string{
			"htpasswd": testbed.HTPasswd(t, admin, adminPW), "secret": testbed.DexClientSecret + "\n",
			"policy.yaml": `
bindings:
  - { name: developers, role: pusher, subjects: ["group:sso/payments-dev"], repositories: ["payments/**"] }
`},
	})
	r := registryFor(t, s, testbed.Registry311, explaining, false)
	app := host(r) + "/payments/app:v1"

	docker := newDockerClient(t)
	out, err := docker.login(host(r), "alice", "wrong")
	if err == nil {
		t.Error("docker logs alice in with a wrong password")
	}
	contains(t, "a wrong password", out, "The username or the password is wrong")
	if out, err := docker.login(host(r), "alice", testbed.SeedPassword("alice")); err != nil {
		t.Fatalf("docker login: %v\n%s", err, out)
	}
	if out, err := docker.push(app, "of the provider"); err != nil {
		t.Errorf("docker push: %v\n%s", err, out)
	}
	if same, out, err := docker.pull(app, "of the provider"); err != nil || !same {
		t.Errorf("docker pull: %v, the same image: %v\n%s", err, same, out)
	}
	out, err = docker.push(host(r)+"/release/app:v1", "not for alice")
	if err == nil {
		t.Error("alice pushes where she may not")
	}
	contains(t, "push without the right", out, reason)
	s.AwaitAudit("alice's groups", func(e audit.Event) bool {
		return e.Action == audit.TokenIssued && e.User == "sso/alice" && len(e.Groups) > 0 && e.Connector == "sso"
	})

	provider.Stop()
	alice := testbed.TokenRequest{Service: explaining, User: "alice", Password: testbed.SeedPassword("alice")}
	if answer := s.Ask(alice); answer.Status != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		t.Errorf("while the provider is down: status %d, Retry-After %q", answer.Status, answer.Header.Get("Retry-After"))
	}
	if answer := s.Ask(testbed.TokenRequest{Service: explaining, User: admin, Password: adminPW}); answer.Status != http.StatusOK {
		t.Errorf("the htpasswd account while the provider is down: status %d", answer.Status)
	}
	provider.Start()
	s.Await("alice logs in again", func() bool { return s.Ask(alice).Status == http.StatusOK })
}

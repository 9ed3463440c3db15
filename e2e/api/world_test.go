package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"testing"

	"drawbridge/e2e/api/client"
	"drawbridge/e2e/testbed"
)

// The people of these tests, all of the directory: a policy-admin, an auditor by a
// group, the owner of payments/**, and somebody without a role.
const (
	admin   = "bob"
	auditor = "carol"
	owner   = "alice"
	nobody  = "dave"
)

const policy = `bindings:
  - {name: admins, role: policy-admin, subjects: ["user:corp/bob"]}
  - {name: auditors, role: auditor, subjects: ["group:corp/team"]}
  - {name: leads, role: namespace-owner, subjects: ["user:corp/alice"], repositories: ["payments/**"]}
  - {name: dev, role: pusher, subjects: ["group:corp/payments-dev"], repositories: ["payments/**"]}
  - {name: web, role: pusher, subjects: ["group:corp/ops"], repositories: ["web/**"]}
  - {name: mirror, role: puller, subjects: ["robot:payments-mirror"], repositories: ["base/**"]}
`

// serve starts a server that asks a directory, with the policy in its store.
func serve(t *testing.T) *testbed.Server {
	t.Helper()
	directory := testbed.StartSlapd(t)
	s := testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: fmt.Sprintf(`
registries:
  - { service: "Docker registry", issuer: "Acme auth server", for: distribution-3 }
connectors:
  - name: corp
    type: ldap
    urls: [%q]
    ca_file: %q
    bind_dn: %q
    bind_password: %q
    user: { base_dn: "ou=people,%[5]s", filter: "(&(objectClass=inetOrgPerson)(uid={username}))", name_attr: uid }
    groups: { mode: search, base_dn: "ou=groups,%[5]s", filter: "(member={dn})", name_attr: cn }
`, directory.LDAPSURL(), directory.CAFile, directory.BindDN, directory.BindPassword, directory.BaseDN),
		Files: map[string]string{"policy.yaml": policy},
	})
	if got := testbed.RunDrawbridge(t, s.Dir, "", "policy", "apply", "policy.yaml", "--config", "drawbridge.yaml", "--reason", "the tests"); got.Code != 0 {
		t.Fatalf("%+v", got)
	}
	s.Await("the policy is in force", func() bool {
		me, err := as(t, s, admin).WhoAmIWithResponse(t.Context())
		return err == nil && me.JSON200 != nil && len(me.JSON200.Capabilities) == 2
	})
	return s
}

// as returns the generated client with the credentials of a seeded person.
func as(t *testing.T, s *testbed.Server, who string) *client.ClientWithResponses {
	t.Helper()
	return with(t, s, func(r *http.Request) { r.SetBasicAuth(who, testbed.SeedPassword(who)) })
}

func with(t *testing.T, s *testbed.Server, sign func(*http.Request)) *client.ClientWithResponses {
	t.Helper()
	ca, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := client.NewClientWithResponses(s.URL, client.WithHTTPClient(&http.Client{Transport: transport}),
		client.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			sign(r)
			return nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// answer is what all answers of the generated client have.
type answer interface {
	StatusCode() int
	GetBody() []byte
}

// want fails the test unless the answer has the status. It takes what a call of the
// client returns.
func want[A answer](t *testing.T, status int) func(A, error) A {
	t.Helper()
	return func(a A, err error) A {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if a.StatusCode() != status {
			t.Errorf("status %d, want %d: %s", a.StatusCode(), status, a.GetBody())
		}
		return a
	}
}

func ptr[T any](v T) *T { return &v }

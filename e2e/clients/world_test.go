package clients

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// The two registries that every server of these tests knows: one answers a
// request without a right with an empty token, the other with the reason.
const (
	filtering  = "Docker registry"
	explaining = "Explaining registry"
	issuer     = "Acme auth server"
)

// The account of the htpasswd file, which may do everything.
const (
	admin   = "admin"
	adminPW = "badmin"
)

// registries is that part of the configuration.
const registries = `
registries:
  - { service: "Docker registry", issuer: "Acme auth server", for: distribution-2 }
  - { service: "Explaining registry", issuer: "Acme auth server", for: distribution-3, deny_response: explain }
`

// local is the connector of the htpasswd file, alone; every test starts with it.
const local = `
connectors:
  - { name: local, type: htpasswd, file: htpasswd }
`

// corp adds a directory to local.
func corp(directory *testbed.Slapd) string {
	return fmt.Sprintf(local+`
  - name: corp
    type: ldap
    urls: [%q]
    ca_file: %q
    bind_dn: %q
    bind_password: %q
    user: { base_dn: "ou=people,%[5]s", filter: "(&(objectClass=inetOrgPerson)(uid={username}))", name_attr: uid }
    groups: { mode: search, base_dn: "ou=groups,%[5]s", filter: "(member={dn})", name_attr: cn, nested: true }
`, directory.LDAPSURL(), directory.CAFile, directory.BindDN, directory.BindPassword, directory.BaseDN)
}

// policy: alice and bob are in payments-dev; carol is in division, three groups
// deep.
const policy = `
bindings:
  - { name: developers, role: pusher, subjects: ["group:corp/payments-dev"], repositories: ["payments/**"] }
  - { name: charts, role: pusher, subjects: ["group:corp/payments-dev"], repositories: ["charts/**"] }
  - { name: leads, role: maintainer, subjects: ["group:corp/division"], repositories: ["payments/**"] }
  - { name: catalog, role: catalog-reader, subjects: ["group:corp/division", "user:local/admin"] }
  - { name: public, role: puller, subjects: [anonymous, authenticated], repositories: ["public/**"] }
  - { name: admin, role: maintainer, subjects: ["user:local/admin"], repositories: ["**"] }
`

const policyFile = `
policy: { file: policy.yaml }
`

// serve starts a server with the sections, the htpasswd file and the policy.
func serve(t *testing.T, sections ...string) *testbed.Server {
	t.Helper()
	return testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: strings.Join(append(sections, policyFile), ""),
		Files:  map[string]string{"htpasswd": testbed.HTPasswd(t, admin, adminPW), "policy.yaml": policy},
	})
}

// registryFor starts a registry that trusts the server. With https it has the
// server's own certificate, which is for localhost.
func registryFor(t *testing.T, s *testbed.Server, version, service string, https bool) *testbed.Registry {
	t.Helper()
	opts := testbed.RegistryOptions{
		Realm: s.URL + "/token", Service: service, Issuer: issuer, RootCertBundle: s.TrustFile, StorageDelete: true,
	}
	if https {
		opts.TLSCertFile = s.CAFile
		opts.TLSKeyFile = filepath.Join(s.Dir, "data", "tls", "server.key")
	}
	return testbed.StartRegistry(t, version, opts)
}

// host is the registry's name for clients.
func host(r *testbed.Registry) string {
	return "localhost" + r.Addr[strings.LastIndexByte(r.Addr, ':'):]
}

// bearer sends a request to a registry with a token.
func bearer(t *testing.T, s *testbed.Server, r *testbed.Registry, method, path, token string) (status int, body string) {
	t.Helper()
	scheme, _, _ := strings.Cut(r.URL, "://")
	req, err := http.NewRequestWithContext(t.Context(), method, scheme+"://"+host(r)+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json")
	client := s.Client()
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// contains fails the test unless every text is in out.
func contains(t *testing.T, what, out string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(out, text) {
			t.Errorf("%s: %q is not in:\n%s", what, text, out)
		}
	}
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// digestOf returns the digest of a manifest, by its content.
func digestOf(t *testing.T, s *testbed.Server, r *testbed.Registry, repository, tag, token string) string {
	t.Helper()
	status, body := bearer(t, s, r, http.MethodGet, "/v2/"+repository+"/manifests/"+tag, token)
	if status != http.StatusOK {
		t.Fatalf("GET the manifest of %s:%s: status %d: %s", repository, tag, status, body)
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(body)))
}

package docs

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// dockerAuthConfig is a configuration of docker_auth with an RSA certificate, as its
// users make one with openssl.
const dockerAuthConfig = `server: { addr: "127.0.0.1:0", certificate: DIR/token.crt, key: DIR/token.key }
token: { issuer: "Acme auth server", expiration: 900 }
users:
  alice: { password: "HASH" }
  bob: { password: "HASH" }
acl:
  - { match: { name: "closed/*" }, actions: [] }
  - { match: { account: alice }, actions: ["*"] }
  - { match: { account: "/.+/" }, actions: [pull] }
`

// docs/migrate.md: its commands in their order; then the server with the files that
// were made, before registries that were set up for docker_auth, with its certificate.
func TestMigrateDockerAuth(t *testing.T) {
	t.Parallel()
	for name, extension := range map[string]string{"a CA": "basicConstraints=critical,CA:TRUE", "no CA": "basicConstraints=CA:FALSE"} {
		t.Run(name, func(t *testing.T) {
			s := newShell(t, t.TempDir())
			s.run("openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout token.key -out token.crt -addext " + extension + " 2>&1")
			_, hash, _ := strings.Cut(strings.TrimSpace(testbed.HTPasswd(t, "alice", "secret")), ":")
			config := strings.NewReplacer("DIR", s.dir, "HASH", hash).Replace(dockerAuthConfig)
			if err := os.WriteFile(filepath.Join(s.dir, "docker-auth.yml"), []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			here := strings.NewReplacer("/etc/drawbridge", "made")
			if out := s.run(here.Replace(one(t, "migrate-docker-auth"))); !strings.Contains(out, "is fine") {
				t.Error(out)
			}
			if out := s.run(here.Replace(one(t, "migrate-explain"))); !strings.Contains(out, "allowed") {
				t.Error(out)
			}
			takesMigrated(t, s)
		})
	}
}

// takesMigrated has registries check tokens of the migrated server.
func takesMigrated(t *testing.T, s *shell) {
	t.Helper()
	read := func(name string) string {
		t.Helper()
		content, err := os.ReadFile(filepath.Join(s.dir, "made", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	server := testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: read("drawbridge.yaml"), Env: []string{"DRAWBRIDGE_SERVER_ADDR=127.0.0.1:0"},
	})
	server.CAFile = filepath.Join(s.dir, "token.crt")
	token := server.Token("alice", "secret", "repository:apps/web:pull,push", "repository:closed/x:pull")
	if token.Scope != "repository:apps/web:pull,push" {
		t.Errorf("alice is granted %q", token.Scope)
	}
	if got := server.Token("bob", "secret", "repository:apps/web:pull,push"); got.Scope != "repository:apps/web:pull" {
		t.Errorf("bob is granted %q", got.Scope)
	}
	for _, version := range []string{testbed.Registry28, testbed.Registry311} {
		r := testbed.StartRegistry(t, version, testbed.RegistryOptions{
			Realm: server.URL + "/auth", Service: "Docker registry", Issuer: "Acme auth server", RootCertBundle: server.CAFile,
		})
		for path, want := range map[string]int{"apps/web": http.StatusNotFound, "closed/x": http.StatusUnauthorized} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL+"/v2/"+path+"/tags/list", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+token.Token)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			// Whoever may read learns that there is no such repository.
			if resp.StatusCode != want {
				t.Errorf("registry %s on %s: status %d, want %d\n%s", version, path, resp.StatusCode, want, r.Log())
			}
		}
	}
}

func TestMigrateHTPasswd(t *testing.T) {
	t.Parallel()
	s := newShell(t, t.TempDir())
	if err := os.WriteFile(filepath.Join(s.dir, "registry.htpasswd"), []byte(testbed.HTPasswd(t, "alice", "secret")), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := s.run(strings.ReplaceAll(one(t, "migrate-htpasswd"), "/etc/drawbridge", "made")); !strings.Contains(out, "rootcertbundle") {
		t.Error(out)
	}
	if out := s.run("drawbridge access explain local/alice push any/thing --config made/drawbridge.yaml"); !strings.Contains(out, "allowed") {
		t.Error(out)
	}
}

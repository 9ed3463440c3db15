package gateway

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
)

// The registry of these tests, and who may push to it.
const (
	service    = "Docker registry"
	other      = "Other registry"
	issuer     = "Acme auth server"
	alice      = "alice"
	alicePW    = "correct horse"
	bob        = "bob"
	bobPW      = "battery staple"
	auditor    = "carol"
	auditorPW  = "four words of mine"
	repository = "team/app"
	pushScope  = "repository:" + repository + ":pull,push"
)

const config = `
registries:
  - { service: "Docker registry", issuer: "Acme auth server", for: distribution-2 }
  - { service: "Other registry", issuer: "Acme auth server", for: distribution-3 }
connectors:
  - { name: local, type: htpasswd, file: htpasswd }
policy: { file: policy.yaml }
`

const policy = `
bindings:
  - { name: team, role: maintainer, subjects: ["user:local/alice", "user:local/bob"], repositories: ["team/**"] }
  - { name: public, role: puller, subjects: [anonymous, authenticated], repositories: ["public/**"] }
  - { name: audit, role: auditor, subjects: ["user:local/carol"] }
`

// serve starts a server whose external_url holds its port, as challenges say it.
func serve(t *testing.T, sections ...string) *testbed.Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close() // and free until the server takes it, unless somebody is quicker
	return testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: config + strings.Join(sections, ""),
		Env:    []string{"DRAWBRIDGE_SERVER_ADDR=" + addr, "DRAWBRIDGE_SERVER_EXTERNAL_URL=https://localhost" + addr[strings.LastIndexByte(addr, ':'):]},
		Files: map[string]string{
			"htpasswd": testbed.HTPasswd(t, alice, alicePW, bob, bobPW, auditor, auditorPW), "policy.yaml": policy,
		},
	})
}

// registry starts a registry that trusts the server, reached over plain HTTP.
func registry(t *testing.T, s *testbed.Server, version string) *testbed.Registry {
	t.Helper()
	return registryWith(t, s, version, s.URL+"/token")
}

func registryWith(t *testing.T, s *testbed.Server, version, realm string) *testbed.Registry {
	t.Helper()
	return testbed.StartRegistry(t, version, testbed.RegistryOptions{
		Realm: realm, Service: service, Issuer: issuer, RootCertBundle: s.TrustFile, StorageDelete: true,
	})
}

// kind is a gateway by the page's configuration for it.
type kind struct {
	name  string
	start func(t *testing.T, s *testbed.Server, registry string) *testbed.Gateway
}

func kinds() []kind { return []kind{{"nginx", nginx}, {"caddy", caddy}} }

// nginx runs the page's nginx before the registry at the address.
func nginx(t *testing.T, s *testbed.Server, registry string) *testbed.Gateway {
	t.Helper()
	return testbed.StartNginx(t, func(addr, dir string) string {
		return testbed.Shown(t, "gateway.md", "gateway-nginx",
			"listen 443 ssl", "listen "+addr+" ssl", "registry.example.com", "localhost",
			"auth.example.com:5001", address(s), "auth.example.com", "localhost",
			"server 127.0.0.1:5000", "server "+registry,
			"/etc/nginx/tls/registry.crt", s.CAFile, "/etc/nginx/tls/registry.key", keyFile(s),
			"/etc/nginx/tls/drawbridge-ca.crt", s.CAFile,
			"/var/log/nginx/registry.log", filepath.Join(dir, "registry.log"))
	})
}

// caddy runs the page's Caddy before the registry at the address.
func caddy(t *testing.T, s *testbed.Server, registry string) *testbed.Gateway {
	t.Helper()
	return testbed.StartCaddy(t, func(addr, _ string) string {
		return testbed.Shown(t, "gateway.md", "gateway-caddy",
			"https://registry.example.com", "https://localhost"+addr[strings.LastIndexByte(addr, ':'):],
			"https://auth.example.com:5001", s.URL, "reverse_proxy 127.0.0.1:5000", "reverse_proxy "+registry,
			"/etc/caddy/registry.crt", s.CAFile, "/etc/caddy/registry.key", keyFile(s), "/etc/caddy/drawbridge-ca.crt", s.CAFile)
	})
}

// address is where the server listens; localhost may be ::1 as well.
func address(s *testbed.Server) string {
	return "127.0.0.1" + s.URL[strings.LastIndexByte(s.URL, ':'):]
}

// keyFile is the key of the certificate, which is for localhost and serves the
// gateway as well.
func keyFile(s *testbed.Server) string { return filepath.Join(s.Dir, "data", "tls", "server.key") }

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   string
}

// caller sends requests with a token.
type caller struct {
	t      *testing.T
	client *http.Client
	base   string // scheme://host
	token  string
}

// through calls a gateway.
func through(t *testing.T, s *testbed.Server, g *testbed.Gateway, token string) caller {
	t.Helper()
	return caller{t, s.Client(), "https://" + g.Host, token}
}

func (c caller) do(method, target string, body io.Reader, header ...string) answer {
	c.t.Helper()
	if !strings.Contains(target, "://") {
		target = c.base + target
	}
	if body == nil {
		body = http.NoBody
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, target, body)
	if err != nil {
		c.t.Fatal(err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := c.client.Do(req)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, target, err)
	}
	return answer{resp.StatusCode, resp.Header, string(data)}
}

// want fails the test unless the status is that and every text is in the body.
func (a answer) want(t *testing.T, what string, status int, texts ...string) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("%s: status %d, want %d\n%v\n%s", what, a.status, status, a.header, a.body)
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			t.Errorf("%s: %q is not in: %s", what, text, a.body)
		}
	}
	return a
}

// tokenFor logs somebody in and returns a token to push.
func tokenFor(t *testing.T, s *testbed.Server, user, password string) string {
	t.Helper()
	a := s.Ask(testbed.TokenRequest{Service: service, User: user, Password: password, Scopes: []string{pushScope}})
	if a.Scope != pushScope {
		t.Fatalf("%s is granted %q: status %d: %s", user, a.Scope, a.Status, a.Body)
	}
	return a.Token
}

// run runs a client program that trusts the server's certificate, in a home of its
// own.
func run(t *testing.T, s *testbed.Server, home, program string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, testbed.Tool(t, program), args...)
	cmd.Env = []string{
		"HOME=" + home, "TMPDIR=" + home, "PATH=" + os.Getenv("PATH"), "SSL_CERT_FILE=" + s.CAFile,
		"REGISTRY_AUTH_FILE=" + filepath.Join(home, "auth.json"), "DOCKER_CONFIG=" + home,
	}
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("not done in time: %w", ctx.Err())
	}
	return string(out), err
}

// must is run for a command that has to succeed.
func must(t *testing.T, s *testbed.Server, home, program string, args ...string) string {
	t.Helper()
	out, err := run(t, s, home, program, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return out
}

// basicOf is the credential of HTTP Basic.
func basicOf(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

package clients

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"testing"

	"drawbridge/e2e/testbed"
)

// The classic set-up of an auth server beside a registry: one certificate of
// plain openssl is the server's TLS certificate and what the registry trusts. It
// names nobody but localhost, in its common name; its key is RSA, and the tokens
// are signed by a key of ours under it.
func TestDropInForTheClassicCertificate(t *testing.T) {
	t.Parallel()
	cert, key := opensslCertificate(t)
	s := testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: `
server: { tls: { mode: files, cert_file: "` + cert + `", key_file: "` + key + `" } }
tokens: { ca_cert_file: "` + cert + `", ca_key_file: "` + key + `" }
registries: [{ service: "Docker registry", issuer: "Acme auth server", for: distribution-2 }]
` + local + policyFile,
		Files: map[string]string{"htpasswd": testbed.HTPasswd(t, admin, adminPW), "policy.yaml": policy},
	})
	token := pinnedToken(t, s, cert, "repository:library/app:pull,push")
	if got := algorithmOf(t, token); got != "ES256" {
		t.Errorf("the token is signed with %s, want ES256", got)
	}
	for _, version := range []string{testbed.Registry28, testbed.Registry311} {
		t.Run(version, func(t *testing.T) {
			realm := s.URL + "/auth"
			r := testbed.StartRegistry(t, version, testbed.RegistryOptions{
				Realm: realm, Service: filtering, Issuer: issuer, RootCertBundle: cert,
			})
			if got, want := challenge(t, r), `Bearer realm="`+realm+`",service="Docker registry"`; got != want {
				t.Errorf("the registry's challenge is %s, want %s", got, want)
			}
			docker := newDockerClient(t)
			if out, err := docker.login(host(r), admin, "goodmin"); err == nil {
				t.Errorf("docker logs in with a wrong password:\n%s", out)
			}
			out, err := docker.login(host(r), admin, adminPW)
			if err != nil {
				t.Fatalf("docker login: %v\n%s", err, out)
			}
			contains(t, "docker login", out, "Login Succeeded")
			if out, err := docker.push(host(r)+"/library/app:v1", "drop-in"); err != nil {
				t.Errorf("docker push: %v\n%s", err, out)
			}
			if same, out, err := docker.pull(host(r)+"/library/app:v1", "drop-in"); err != nil || !same {
				t.Errorf("docker pull: %v, the same image: %v\n%s", err, same, out)
			}
		})
	}
}

// opensslCertificate runs the command that set-ups in the field were made with.
func opensslCertificate(t *testing.T) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")
	out, err := exec.CommandContext(t.Context(), testbed.Tool(t, "openssl"), "req", "-newkey", "rsa:4096", "-nodes", "-x509",
		"-days", "365", "-subj", "/CN=localhost", "-keyout", key, "-out", cert).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl req: %v\n%s", err, out)
	}
	return cert, key
}

// challenge is what a request without a token is answered with.
func challenge(t *testing.T, r *testbed.Registry) string {
	t.Helper()
	resp, err := http.Get(r.URL + "/v2/")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("GET /v2/: status %d, want 401", resp.StatusCode)
	}
	return resp.Header.Get("WWW-Authenticate")
}

// pinnedToken asks for a token of the administrator's. Go does not take a common
// name for a host name, so that the certificate is compared instead.
func pinnedToken(t *testing.T, s *testbed.Server, cert, scope string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(read(t, cert)))
	transport := &http.Transport{TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			if !bytes.Equal(state.PeerCertificates[0].Raw, block.Bytes) {
				return errors.New("this is not the operator's certificate")
			}
			return nil
		},
	}}
	defer transport.CloseIdleConnections()
	query := url.Values{"service": {filtering}, "scope": {scope}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/auth?"+query.Encode(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(admin, adminPW)
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct{ Token, Scope string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	if answer.Scope != scope {
		t.Errorf("granted %q, want %q", answer.Scope, scope)
	}
	return answer.Token
}

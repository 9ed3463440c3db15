package compose_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// gatewayPort is the one that the profile adds.
const gatewayPort = "5443"

// TestGateway brings the stack up with its profile gateway: what is revoked is
// refused there at once, and only there.
func TestGateway(t *testing.T) {
	s := testbed.NewStack(t)
	s.MustCompose("--profile", "gateway", "up", "--build", "--wait", "--wait-timeout", "180")
	hardened(t, s, "setup", "openldap", "redis", "registry", "drawbridge", "gateway")

	files := s.MustCompose("exec", "-T", "gateway", "find", "/trust", "/run/secrets", "-type", "f")
	for file := range strings.FieldsSeq(files) {
		switch file {
		case "/trust/ca.crt", "/trust/signing-ca.crt", "/run/secrets/tls.crt", "/run/secrets/tls.key":
		default:
			t.Errorf("the gateway can see %s", file)
		}
	}

	const image = "localhost:" + gatewayPort + "/team/app:1"
	alice := testbed.NewDocker(t)
	if out, err := alice.Login("localhost:"+gatewayPort, "alice", "alice-demo"); err != nil {
		t.Fatalf("docker login: %v\n%s", err, out)
	}
	alice.MakeImage(image, strings.Repeat("team/app", 100_000))
	alice.Must("push", image)
	alice.RemoveImage(image)
	alice.Must("pull", image)

	client := stackClient(t, s)
	token := stackToken(t, client)
	for _, port := range []string{"5000", gatewayPort} {
		if status, body := tags(t, client, port, token); status != http.StatusOK {
			t.Fatalf("port %s before the revocation: status %d: %s", port, status, body)
		}
	}
	s.MustCompose("exec", "-T", "drawbridge", "/drawbridge", "token", "revoke", "--", jti(t, token))
	await(t, "the gateway refuses the token", func() bool {
		status, body := tags(t, client, gatewayPort, token)
		return status == http.StatusForbidden && strings.Contains(body, "this token was revoked")
	})
	if status, body := tags(t, client, "5000", token); status != http.StatusOK {
		t.Errorf("the registry itself: status %d: %s", status, body)
	}

	s.MustCompose("stop", "--timeout", "10", "drawbridge")
	if status, body := tags(t, client, gatewayPort, token); status != http.StatusServiceUnavailable || !strings.Contains(body, "UNAVAILABLE") {
		t.Errorf("the gateway without Drawbridge: status %d: %s", status, body)
	}
}

// stackClient trusts the CA of the stack and nothing else.
func stackClient(t *testing.T, s *testbed.Stack) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(s.MustCompose("exec", "-T", "registry", "cat", "/trust/ca.crt"))) {
		t.Fatal("no certificate in /trust/ca.crt")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// stackToken is one of alice's.
func stackToken(t *testing.T, client *http.Client) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		"https://localhost:5001/token?service=Docker%20registry&scope=repository:team/app:pull", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("alice", "alice-demo")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct{ Token string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Token == "" {
		t.Fatalf("%s: no token: %v", resp.Status, err)
	}
	return answer.Token
}

// jti is the ID of a token.
func jti(t *testing.T, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no token: %q", token)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct{ Jti string }
	if err := json.Unmarshal(payload, &claims); err != nil || claims.Jti == "" {
		t.Fatalf("a token without an ID: %s: %v", payload, err)
	}
	return claims.Jti
}

// tags lists the tags of team/app at a port.
func tags(t *testing.T, client *http.Client, port, token string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://localhost:"+port+"/v2/team/app/tags/list", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

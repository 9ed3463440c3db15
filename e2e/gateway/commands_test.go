package gateway

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// The page's commands: an auditor asks for the state of a token, its bearer ends
// it, and it is gone everywhere.
func TestCommandsOfThePage(t *testing.T) {
	s := serve(t)
	r := registry(t, s, testbed.Registry311)
	g := nginx(t, s, r.Addr)
	dir := t.TempDir()
	curl := func(name string, oldnew ...string) string {
		t.Helper()
		script := testbed.Shown(t, "gateway.md", name, append([]string{"https://auth.example.com:5001", s.URL}, oldnew...)...)
		cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "CURL_CA_BUNDLE="+s.CAFile)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		return string(out)
	}
	introspect := func() string {
		t.Helper()
		return curl("gateway-introspect", "--user carol", "--user '"+auditor+":"+auditorPW+"'")
	}
	token := tokenFor(t, s, alice, alicePW)
	if err := os.WriteFile(filepath.Join(dir, "token.txt"), []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"active":true`, `"sub":"local/alice"`, `"scope":"` + pushScope + `"`, `"aud":"` + service + `"`} {
		if got := introspect(); !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	through(t, s, g, token).do(http.MethodGet, "/v2/", nil).want(t, "before", http.StatusOK)
	if got := curl("gateway-revoke"); got != "" {
		t.Errorf("revoke answers %q", got)
	}
	through(t, s, g, token).do(http.MethodGet, "/v2/", nil).want(t, "after", http.StatusForbidden)
	if got := introspect(); got != `{"active":false}` {
		t.Errorf("after: %s", got)
	}
	// The log holds neither the token nor a password.
	for _, secret := range []string{token, alicePW, auditorPW} {
		if strings.Contains(s.Output(), secret) {
			t.Error("the server printed a secret")
		}
	}
}

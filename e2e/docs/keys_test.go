package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// keysPage is a server whose registries are of both kinds that docs/keys.md tells
// apart, on ports of its own.
const keysPage = `server: { addr: "127.0.0.1:0", telemetry_addr: "127.0.0.1:0" }
registries:
  - { service: registry.example.com, issuer: I }
  - { service: jwks.example.com, issuer: I, for: distribution-3-jwks }
connectors:
  - { name: local, type: htpasswd, file: htpasswd }
`

// docs/keys.md: its commands in their order, against a running server.
func TestKeysPage(t *testing.T) {
	t.Parallel()
	s := newShell(t, t.TempDir())
	for name, text := range map[string]string{"drawbridge.yaml": keysPage, "htpasswd": testbed.HTPasswd(t, "admin", "badmin")} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.env = append(s.env, "DRAWBRIDGE_CONFIG=drawbridge.yaml")
	serve := s.background("drawbridge serve")
	serve.find(t, `"msg":"ready"`)
	certificates := func() int {
		content, err := os.ReadFile(filepath.Join(s.dir, "data", "keys", "signing-ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(content), "BEGIN CERTIFICATE")
	}
	for _, step := range []struct {
		block        string
		prints       []string
		certificates int
	}{
		{"keys-list", []string{"leaf    signing", "jwks.example.com", "signing-ca.pem"}, 1},
		{"keys-rotate", []string{"replaced", "No registry needs a restart"}, 1},
		{"keys-emergency", []string{"Revoked", "without /verify", "--new-ca"}, 1},
		{"keys-new-ca", []string{"signs nothing yet", "--retire-ca"}, 2},
		{"keys-retire-ca", []string{"under the new CA"}, 1},
		{"keys-service", []string{"jwks.json", "--retire"}, 1},
		{"keys-service-retire", []string{"signed with its new key"}, 1},
	} {
		out := s.run(one(t, step.block))
		for _, want := range step.prints {
			if !strings.Contains(out, want) {
				t.Errorf("%s does not print %q:\n%s", step.block, want, out)
			}
		}
		if got := certificates(); got != step.certificates {
			t.Errorf("after %s signing-ca.pem has %d certificates, want %d", step.block, got, step.certificates)
		}
	}
	if out := s.run("drawbridge keys list"); strings.Count(out, "revoked") != 2 || strings.Count(out, "verifying") < 2 {
		t.Errorf("the list at the end:\n%s", out)
	}
}

package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// docs/audit.md: each command of the page, beside a running server.
func TestAuditCommands(t *testing.T) {
	t.Parallel()
	server := testbed.StartDrawbridge(t, testbed.ServerOptions{
		Config: `
registries: [{ service: S, issuer: I }]
connectors: [{ name: corp, type: htpasswd, file: htpasswd }]
policy: { file: policy.yaml }
`,
		Files: map[string]string{"htpasswd": testbed.HTPasswd(t, "alice", "secret"), "policy.yaml": "bindings: []\n"},
	})
	s := newShell(t, server.Dir)
	s.env = append(s.env, "DRAWBRIDGE_CONFIG=drawbridge.yaml")
	server.Token("alice", "secret", "repository:payments/api:pull")
	server.Token("alice", "wrong")
	s.run("drawbridge session revoke --user corp/alice --reason audit; drawbridge token revoke 3q2-7wAAAAAAAAAAAAAAAA")
	server.Await("the events are in the store", func() bool {
		return strings.Contains(s.try("drawbridge audit query --action login"), "wrong_password")
	})
	// With set -e each of them has to find something.
	out := s.run("set -x\n" + one(t, "audit-query"))
	for _, want := range []string{"wrong_password", "person_revoked", `"event.action":"token_revoked"`} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if data, err := os.ReadFile(filepath.Join(server.Dir, "payments.csv")); err != nil || !strings.Contains(string(data), "token_denied") {
		t.Errorf("payments.csv: %s, %v", data, err)
	}
}

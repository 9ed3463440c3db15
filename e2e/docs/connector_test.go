package docs

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// docs/write-a-connector.md: somebody who follows the page with a program of
// their own ends up logged in, with the groups that it says.
func TestWriteAConnectorAsAProgram(t *testing.T) {
	testbed.HoldPorts(t, 5001, 5002)
	s := newShell(t, t.TempDir())
	for name, text := range map[string]string{
		"people.sh": one(t, "exec-program"), "drawbridge.yaml": one(t, "exec-config"),
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tried := s.run(one(t, "exec-try"))
	shown, _, _ := strings.Cut(tried, "\n")
	if !strings.Contains(tried, "is fine") || !pageShows(t, shown) {
		t.Errorf("the page does not show this:\n%s", tried)
	}
	serve := s.background(one(t, "exec-serve"))
	serve.find(t, `"msg":"ready"`)
	login := one(t, "exec-login")
	answer := s.run(login)
	if claims := claimsOf(t, answer); !strings.Contains(claims, `"sub":"hr/alice"`) {
		t.Errorf("the token says %s", claims)
	}
	// curl --fail ends with 22 for the 401 of a wrong password and of an unknown
	// user, and for the 503 of a program that is broken.
	for _, tt := range []struct{ before, user, audit string }{
		{"", `'alice:wrong'`, `"wrong_password"`},
		{"", `$'alice:correct horse\nx'`, `"bad_password"`},
		{"", `'bob:x'`, `"unknown_user"`},
		{"rm people.txt", `'alice:new'`, `"unavailable"`},
	} {
		s.run(tt.before)
		s.fail(22, strings.Replace(login, "'alice:correct horse'", tt.user, 1))
		serve.find(t, tt.audit)
	}
}

// pageShows reports whether a page has a text block with this one line.
func pageShows(t *testing.T, line string) bool {
	t.Helper()
	all, _ := blocks(t, filepath.Join(testbed.Root(t), "docs", "write-a-connector.md"))
	for _, b := range all {
		if b.lang == "text" && b.text == line+"\n" {
			return true
		}
	}
	return false
}

// claimsOf returns the claims of the token in an answer, as they are written.
func claimsOf(t *testing.T, answer string) string {
	t.Helper()
	parts := strings.Split(answer, ".")
	if len(parts) < 3 {
		t.Fatalf("no token: %s", answer)
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	return string(claims)
}

// And with a Go package: it compiles in the tree and keeps to the contract.
func TestWriteAConnectorInGo(t *testing.T) {
	t.Parallel()
	s := inRepository(t)
	dir := filepath.Join(s.dir, "connectors", "single")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	const contract = `package single

import (
	"testing"

	"drawbridge/connectors"
	"drawbridge/identity"
)

func TestContract(t *testing.T) {
	t.Parallel()
	chain := connectors.NewChain(connectors.Link{Connector: &Connector{"me", "alice", identity.NewSecret("secret")}})
	for _, tt := range []struct {
		username, password string
		want               connectors.Kind
	}{
		{"alice", "secret", connectors.KindGranted}, {"alice", "wrong", connectors.KindDenied}, {"bob", "secret", connectors.KindNotMine},
	} {
		cred := identity.Credential{Username: tt.username, Password: identity.NewSecret(tt.password)}
		if got := chain.Authenticate(t.Context(), cred); got.Kind() != tt.want {
			t.Errorf("%s: %s", tt.username, got)
		}
	}
}
`
	for name, text := range map[string]string{"single.go": one(t, "go-connector"), "single_test.go": contract} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.run("go vet ./connectors/single && go test ./connectors/single")
}

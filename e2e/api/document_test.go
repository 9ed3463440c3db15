package api

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"drawbridge/e2e/testbed"
)

// document is the description of the API in the repository.
func document(t *testing.T) string {
	t.Helper()
	return filepath.Join(testbed.Root(t), "docs", "openapi.json")
}

// TestOutsideValidator: kin-openapi's validator accepts what a server serves, and
// what is in the repository.
func TestOutsideValidator(t *testing.T) {
	s := testbed.StartDrawbridge(t, testbed.ServerOptions{Config: `
registries: [{ service: "Docker registry", issuer: "Acme auth server" }]
connectors: [{ name: local, type: htpasswd, file: htpasswd }]
`, Files: map[string]string{"htpasswd": testbed.HTPasswd(t, "alice", "correct horse")}})
	resp, err := s.Client().Get(s.URL + "/api/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end below
	var served bytes.Buffer
	if _, err := served.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "openapi.json")
	if err := os.WriteFile(file, served.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, doc := range []string{file, document(t)} {
		if out, err := exec.CommandContext(t.Context(), testbed.Tool(t, "openapi-validate"), doc).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", doc, err, out)
		}
	}
	broken := filepath.Join(t.TempDir(), "broken.json")
	wrong := bytes.ReplaceAll(served.Bytes(), []byte(`"path"`), []byte(`"nowhere"`))
	if err := os.WriteFile(broken, wrong, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := exec.CommandContext(t.Context(), testbed.Tool(t, "openapi-validate"), broken).Run(); err == nil {
		t.Error("the validator accepts anything")
	}
}

// TestGeneratedClient: the client is what the generator makes of the document.
func TestGeneratedClient(t *testing.T) {
	made := filepath.Join(t.TempDir(), "client.gen.go")
	cmd := exec.CommandContext(t.Context(), testbed.Tool(t, "oapi-codegen"), "-config", "config.yaml", "-o", made, document(t))
	cmd.Dir = "client"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	now, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	committed, err := os.ReadFile(filepath.Join("client", "client.gen.go"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(now, committed) {
		t.Error("e2e/api/client is not what docs/openapi.json says: run make openapi")
	}
}

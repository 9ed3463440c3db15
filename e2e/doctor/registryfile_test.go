package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
)

// A registry's own config.yml, with one thing in it wrong at a time: what the file shows
// is what the registry that runs with it shows, with the same ID where it can be met
// from outside.
func TestRegistryConfig(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for _, tt := range []struct {
		name string
		edit func(*testbed.RegistryOptions)
		// ofFile is found in the file, and live at the registry.
		ofFile, live string
		says         string
	}{
		{"nothing", func(*testbed.RegistryOptions) {}, "", "", ""},
		{"the other endpoint", func(o *testbed.RegistryOptions) { o.Realm = w.URL + "/auth" }, "", "", ""},
		{"issuer", func(o *testbed.RegistryOptions) { o.Issuer = "Somebody else" }, "DB-TOK-002", "DB-TOK-001", `issuer: "Acme auth server"`},
		{"service", func(o *testbed.RegistryOptions) { o.Service = "registry" }, "DB-TOK-003", "DB-TOK-003", `service: "Docker registry"`},
		{"algorithms", func(o *testbed.RegistryOptions) { o.SigningAlgorithms = []string{"RS256"} }, "DB-TOK-004", "DB-TOK-004", "signingalgorithms: [ES256]"},
		{"another CA", func(o *testbed.RegistryOptions) { o.RootCertBundle = newAuthority(t, time.Hour).file }, "DB-TOK-001", "DB-TOK-001", "our signing CA is none of them"},
		{"realm", func(o *testbed.RegistryOptions) { o.Realm = w.URL + "/oauth/token" }, "DB-CHL-003", "DB-CHL-003", w.URL + "/token"},
		{"autoredirect", func(o *testbed.RegistryOptions) { o.AutoRedirect = true }, "DB-CHL-006", "", "/auth/token"},
		{"no auth", func(o *testbed.RegistryOptions) { *o = testbed.RegistryOptions{} }, "DB-CHL-001", "DB-CHL-001", "rootcertbundle"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			opts := w.trusting()
			tt.edit(&opts)
			r := testbed.StartRegistry(t, testbed.Registry311, opts)
			id := func(id string) []string {
				if id == "" {
					return nil
				}
				return []string{id}
			}
			w.doctor(t, visit{args: []string{"--registry-config", r.Config}}, id(tt.ofFile)...).says(t, tt.ofFile, tt.says)
			if tt.live != "" || tt.ofFile == "" {
				w.doctor(t, at(strings.Replace(r.URL, "127.0.0.1", "localhost", 1)), id(tt.live)...)
			}
		})
	}
}

// What registry-config prints is right, wherever the trust anchor is mounted; a login of
// the registry's own is not, and what is no such file is an error that changes no verdict.
func TestRegistryConfigOfOurs(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	dir := t.TempDir()
	write := func(name, content string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	config := write("drawbridge.yaml", encode(t, w.config()))
	printed := testbed.RunDrawbridge(t, w.Dir, "", "registry-config", "--config", config)
	if printed.Code != 0 {
		t.Fatalf("%+v", printed)
	}
	got := w.doctor(t, visit{args: []string{"--registry-config", write("config.yml", "version: 0.1\n"+printed.Stdout)}})
	if !strings.Contains(got.text, "is not on this machine") {
		t.Errorf("where the trust anchor is, is not said:\n%s", got.text)
	}
	w.doctor(t, visit{args: []string{"--registry-config", write("htpasswd.yml", "version: 0.1\nauth: { htpasswd: { realm: r, path: /auth/htpasswd } }\n")}}, "DB-CHL-002")
	jwks := "version: 0.1\nauth: { token: { realm: \"" + w.URL + "/token\", service: \"" + service + "\", issuer: \"" + issuer + "\", jwks: /jwks.json } }\n"
	w.doctor(t, visit{args: []string{"--registry-config", write("jwks.yml", jwks)}}, "DB-TOK-005").says(t, "DB-TOK-005", "rootcertbundle")
	for name, content := range map[string]string{
		"zot.json": `{"distSpecVersion":"1.1.0","http":{}}`, "not.yml": "version: [", "types.yml": "version: 0.1\nauth: { token: { autoredirect: [] } }\n",
	} {
		ran := testbed.RunDrawbridge(t, w.Dir, "", "doctor", "--config", config, "--registry-config", write(name, content))
		if ran.Code != 2 || !strings.Contains(ran.Stderr, "--registry-config: "+filepath.Join(dir, name)) || ran.Stdout != "" {
			t.Errorf("%s: %+v", name, ran)
		}
	}
}

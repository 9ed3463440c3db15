package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// docs/doctor.md: its commands find nothing wrong where nothing is.
func TestDoctorPage(t *testing.T) {
	t.Parallel()
	s := newShell(t, t.TempDir())
	config := "server: { addr: \"127.0.0.1:0\", telemetry_addr: \"127.0.0.1:0\" }\n" +
		"registries: [ { service: S, issuer: I } ]\nconnectors: [ { name: local, type: htpasswd, file: htpasswd } ]\npolicy: { file: policy.yaml }\n"
	policy := "bindings: [ { name: all, role: maintainer, subjects: [authenticated], repositories: [\"**\"] } ]\n"
	for name, text := range map[string]string{"drawbridge.yaml": config, "htpasswd": testbed.HTPasswd(t, "admin", "badmin"), "policy.yaml": policy} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	serve := s.background("drawbridge serve --config drawbridge.yaml")
	url := "https://localhost:" + serve.find(t, `"msg":"ready","addr":"127.0.0.1:(\d+)"`)
	s.env = append(s.env, "DRAWBRIDGE_SERVER_EXTERNAL_URL="+url)
	r := testbed.StartRegistry(t, testbed.Registry311, testbed.RegistryOptions{
		Realm: url + "/token", Service: "S", Issuer: "I", RootCertBundle: filepath.Join(s.dir, "data", "keys", "signing-ca.pem"),
	})
	out := s.run(strings.NewReplacer("/etc/", "", "http://localhost:5000", r.URL).Replace(one(t, "doctor")))
	if strings.Count(out, "Problems: 0. Warnings: 0.") != 2 || !strings.Contains(out, "2 MiB sent, cancelled") {
		t.Error(out)
	}
}

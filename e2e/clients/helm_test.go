package clients

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"drawbridge/e2e/testbed"
)

// A chart goes up and comes back with the token of a person, certificates
// verified; one who has no right reads why.
func TestHelm(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	s := serve(t, registries, corp(directory))
	r := registryFor(t, s, testbed.Registry311, explaining, true)
	folder := t.TempDir()
	writeFile(t, filepath.Join(folder, "tiny", "Chart.yaml"), []byte("apiVersion: v2\nname: tiny\nversion: 0.1.0\n"))
	writeFile(t, filepath.Join(folder, "tiny", "templates", "map.yaml"),
		[]byte("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: tiny }\n"))
	helm := newCommand(t, "helm", "SSL_CERT_FILE="+s.CAFile)
	must := func(stdin string, args ...string) string {
		t.Helper()
		out, err := helm.run(stdin, args...)
		if err != nil {
			t.Fatalf("helm %v: %v\n%s", args, err, out)
		}
		return out
	}
	chart := filepath.Join(folder, "tiny-0.1.0.tgz")
	must("", "package", filepath.Join(folder, "tiny"), "--destination", folder)

	if out, err := helm.run("wrong", "registry", "login", host(r), "--username", "alice", "--password-stdin"); err == nil {
		t.Errorf("helm logs in with a wrong password:\n%s", out)
	} else {
		contains(t, "a wrong password", out, "The username or the password is wrong")
	}
	contains(t, "login", must(testbed.SeedPassword("alice"), "registry", "login", host(r), "--username", "alice", "--password-stdin"), "Login Succeeded")
	contains(t, "push", must("", "push", chart, "oci://"+host(r)+"/charts"), "Digest: sha256:")
	back := t.TempDir()
	must("", "pull", "oci://"+host(r)+"/charts/tiny", "--version", "0.1.0", "--destination", back)
	want, got := read(t, chart), read(t, filepath.Join(back, "tiny-0.1.0.tgz"))
	if want != got {
		t.Errorf("the chart came back with %d bytes, %d were pushed", len(got), len(want))
	}

	out, err := helm.run("", "push", chart, "oci://"+host(r)+"/release")
	if err == nil {
		t.Error("helm pushes where alice may not")
	}
	contains(t, "push without the right", out, reason)
	if status, _ := bearer(t, s, r, http.MethodGet, "/v2/charts/tiny/tags/list", ""); status != http.StatusUnauthorized {
		t.Errorf("the chart is open to everybody: status %d", status)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

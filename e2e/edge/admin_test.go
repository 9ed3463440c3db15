package edge

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// A server that asks administrators for a certificate: the commands show one, and
// without it even the right password is no use. Token requests need none.
func TestAdministratorsShowACertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"admins", "stranger"} {
		out, err := exec.CommandContext(t.Context(), "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", // #nosec G204 -- the test's own arguments
			"-days", "1", "-subj", "/CN="+name, "-keyout", filepath.Join(dir, name+".key"), "-out", filepath.Join(dir, name+".crt")).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	s := testbed.StartDrawbridge(t, testbed.ServerOptions{Config: config, Files: map[string]string{
		"htpasswd":    files()["htpasswd"],
		"policy.yaml": "bindings: [{ name: admins, role: policy-admin, subjects: [\"user:local/admin\"] }]\n",
	}, Env: []string{"DRAWBRIDGE_SERVER_TLS_ADMIN_CLIENT_CA_FILE=" + filepath.Join(dir, "admins.crt")}})
	show := func(flags ...string) testbed.Command {
		return testbed.RunDrawbridge(t, s.Dir, "badmin\n", append([]string{"policy", "show", "--server", s.URL, "--ca-file", s.CAFile, "--username", "admin"}, flags...)...)
	}
	own := func(name string) []string {
		return []string{"--cert-file", filepath.Join(dir, name+".crt"), "--key-file", filepath.Join(dir, name+".key")}
	}
	if got := show(own("admins")...); got.Code != 0 || !strings.Contains(got.Stdout, "policy-admin") {
		t.Errorf("with the certificate: %+v", got)
	}
	if got := show(); got.Code != 1 || !strings.Contains(got.Stderr, "client certificate") {
		t.Errorf("without one: %+v", got)
	}
	if got := show(own("stranger")...); got.Code == 0 {
		t.Errorf("with somebody else's: %+v", got)
	}
	if got := show("--cert-file", filepath.Join(dir, "admins.crt")); got.Code != 2 || !strings.Contains(got.Stderr, "--key-file") {
		t.Errorf("without its key: %+v", got)
	}
	if got := s.Token("admin", "badmin", "repository:a/b:pull"); got.Status != 200 {
		t.Errorf("a token request: %d", got.Status)
	}
}

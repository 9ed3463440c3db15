package console

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

const (
	service = "Docker registry"
	issuer  = "Acme auth server"
)

// policy: alice and bob are in payments-dev; carol is nobody's admin.
const policy = `# Who may do what in our registries.
bindings:
  - { name: platform, role: policy-admin, subjects: ["user:corp/alice"] }
  - { name: revision, role: auditor, subjects: ["user:corp/bob"] }
  - { name: payments-leads, role: namespace-owner, subjects: ["user:corp/dave"], repositories: ["payments/**"] }
  - { name: payments-developers, role: puller, subjects: ["group:corp/payments-dev"], repositories: ["payments/**"] }
  - { name: web-developers, role: pusher, subjects: ["group:corp/ops"], repositories: ["web/**"] }
  - { name: public, role: puller, subjects: [anonymous], repositories: ["public/**"] }
`

// start starts a directory and a server whose policy lives in the store.
func start(t *testing.T) (*testbed.Server, *testbed.Slapd) {
	t.Helper()
	directory := testbed.StartSlapd(t)
	s := testbed.StartDrawbridge(t, testbed.ServerOptions{Config: configOf(directory), Files: map[string]string{"policy.yaml": policy}})
	run(t, s, "policy", "apply", "policy.yaml", "--reason", "the first one")
	s.Await("the policy is in force", func() bool {
		return s.Token("alice", testbed.SeedPassword("alice"), "repository:payments/api:pull").Scope != ""
	})
	return s, directory
}

// configOf is the configuration of a server that asks the directory.
func configOf(directory *testbed.Slapd) string {
	return fmt.Sprintf(`
registries: [{ service: %q, issuer: %q, for: distribution-3 }]
connectors:
  - name: corp
    type: ldap
    urls: [%q]
    ca_file: %q
    bind_dn: %q
    bind_password: %q
    user: { base_dn: "ou=people,%[7]s", filter: "(&(objectClass=inetOrgPerson)(uid={username}))", name_attr: uid, mail_attr: mail }
    groups: { mode: search, base_dn: "ou=groups,%[7]s", filter: "(member={dn})", name_attr: cn, nested: true }
`, service, issuer, directory.LDAPSURL(), directory.CAFile, directory.BindDN, directory.BindPassword, directory.BaseDN)
}

// run runs a command where the server runs, and returns what it prints.
func run(t *testing.T, s *testbed.Server, args ...string) string {
	t.Helper()
	c := testbed.RunDrawbridge(t, s.Dir, "", append(args, "--config", "drawbridge.yaml")...)
	if c.Code != 0 {
		t.Fatalf("drawbridge %s: exit code %d\n%s%s", args, c.Code, c.Stdout, c.Stderr)
	}
	return c.Stdout
}

// registryFor starts a registry that trusts the server, with the server's own
// certificate.
func registryFor(t *testing.T, s *testbed.Server) string {
	t.Helper()
	r := testbed.StartRegistry(t, testbed.Registry311, testbed.RegistryOptions{
		Realm: s.URL + "/token", Service: service, Issuer: issuer, RootCertBundle: s.TrustFile, StorageDelete: true,
		TLSCertFile: s.CAFile, TLSKeyFile: filepath.Join(s.Dir, "data", "tls", "server.key"),
	})
	return "localhost" + r.Addr[strings.LastIndexByte(r.Addr, ':'):]
}

// skopeo is one person's.
type skopeo struct {
	t      *testing.T
	caFile string
	dir    string
}

func newSkopeo(t *testing.T, caFile string) *skopeo {
	t.Helper()
	return &skopeo{t, caFile, t.TempDir()}
}

func (s *skopeo) run(stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(s.t.Context(), testbed.Tool(s.t, "skopeo"), append([]string{"--insecure-policy"}, args...)...)
	cmd.Env = []string{"HOME=" + s.dir, "XDG_RUNTIME_DIR=" + s.dir, "PATH=" + os.Getenv("PATH"), "SSL_CERT_FILE=" + s.caFile, "TMPDIR=" + s.dir}
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *skopeo) login(registry, user, password string) (string, error) {
	return s.run(password, "login", "-u", user, "--password-stdin", registry)
}

// push pushes the image of the folder.
func (s *skopeo) push(image, ref string) (string, error) {
	return s.run("", "copy", "oci:"+image+":latest", "docker://"+ref)
}

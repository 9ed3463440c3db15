package feed_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// settings are what all servers of these tests have. The caches keep everything
// for minutes, so that nothing in a test changes by itself.
const settings = `
registries: [{ service: "Docker registry", issuer: "Acme auth server" }]
policy: { file: policy.yaml }
limits: { login_failures_per_minute: 0 }
cache:
  lookup_ttl: 30m
  credential_ttl: 5m
`

const policy = `
bindings:
  - { name: developers, role: pusher, subjects: ["group:corp/payments-dev"], repositories: ["payments/**"] }
`

// pushed is what a developer asks for, and gets.
const pushed = "repository:payments/api:push"

// people is the connectors section with the directory.
func people(directory *testbed.Slapd) string {
	return fmt.Sprintf(`
connectors:
  - name: corp
    type: ldap
    grace: 24h
    urls: [%q]
    bind_dn: %q
    bind_password: %q
    user: { base_dn: "ou=people,%[4]s", filter: "(&(objectClass=inetOrgPerson)(uid={username}))", name_attr: uid }
    groups: { mode: search, base_dn: "ou=groups,%[4]s", filter: "(member={dn})", name_attr: cn }
`, directory.URL(), directory.BindDN, directory.BindPassword, directory.BaseDN)
}

// replicas are servers with one configuration and one data directory.
type replicas struct {
	t       *testing.T
	servers []*testbed.Server
}

// serve starts n servers with the sections. What differs from a server of its own
// is the data directory, which is the first one's.
func serve(t *testing.T, n int, sections ...string) *replicas {
	t.Helper()
	opts := testbed.ServerOptions{
		Config: settings + strings.Join(sections, ""),
		Files:  map[string]string{"policy.yaml": policy},
	}
	r := &replicas{t: t}
	for range n {
		s := testbed.StartDrawbridge(t, opts)
		if len(r.servers) == 0 {
			opts.Env = []string{"DRAWBRIDGE_DATA_DIR=" + filepath.Join(s.Dir, "data")}
		} else {
			s.CAFile = r.servers[0].CAFile
		}
		r.servers = append(r.servers, s)
	}
	return r
}

// is reports whether every server answers the login with the status and the scope.
func (r *replicas) is(user, password string, status int, scope string) bool {
	r.t.Helper()
	for _, s := range r.servers {
		if answer := s.Token(user, password, pushed); answer.Status != status || answer.Scope != scope {
			return false
		}
	}
	return true
}

// want fails the test unless every server answers so.
func (r *replicas) want(what, user, password string, status int, scope string) {
	r.t.Helper()
	for i, s := range r.servers {
		if answer := s.Token(user, password, pushed); answer.Status != status || answer.Scope != scope {
			r.t.Errorf("%s: server %d answers %s with %d, scope %q, want %d, %q: %s", what, i, user, answer.Status, answer.Scope, status, scope, answer.Body)
		}
	}
}

// forget runs the command beside the first server.
func (r *replicas) forget(name string) {
	r.t.Helper()
	out := testbed.RunDrawbridge(r.t, r.servers[0].Dir, "", "user", "forget", name, "--config", "drawbridge.yaml", "--reason", "a test")
	if out.Code != 0 || !strings.Contains(out.Stdout, "forgotten: "+name) {
		r.t.Fatalf("user forget %s: exit code %d: %s%s", name, out.Code, out.Stdout, out.Stderr)
	}
}

// await waits until something is so.
func (r *replicas) await(what string, done func() bool) {
	r.t.Helper()
	r.servers[0].Await(what, done)
}

// metric waits until every server's metric has the value.
func (r *replicas) metric(name string, value float64) {
	r.t.Helper()
	for i, s := range r.servers {
		s.Await(fmt.Sprintf("%s of server %d is %v", name, i, value), func() bool {
			got, ok := s.Metrics()[name]
			return ok && got == value
		})
	}
}

// statuses of the token endpoint.
const (
	ok      = http.StatusOK
	refused = http.StatusUnauthorized
	later   = http.StatusServiceUnavailable
)

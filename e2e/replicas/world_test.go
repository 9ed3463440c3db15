package replicas

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

const (
	service = "Docker registry"
	issuer  = "Acme auth server"
	admin   = "admin"
	adminPW = "badmin"
)

// policy: alice and bob are in payments-dev.
const policy = `
bindings:
  - { name: developers, role: pusher, subjects: ["group:corp/payments-dev"], repositories: ["payments/**"] }
  - { name: public, role: puller, subjects: [anonymous, authenticated], repositories: ["public/**"] }
  - { name: admin, role: maintainer, subjects: ["user:local/admin"], repositories: ["**"] }
  - { name: policy-admin, role: policy-admin, subjects: ["user:local/admin"] }
`

// world is two replicas with all that they share.
type world struct {
	*testbed.Replicas
	t         *testing.T
	directory *testbed.Slapd
	postgres  *testbed.Postgres
	database  string // store.url
	// people are two of the directory, one of the htpasswd file, and a robot.
	people []person
	// link is the second replica's way to PostgreSQL.
	link *testbed.Link
}

// parts is what a test varies.
type parts struct {
	redisURL string
	// settings are further sections of the configuration.
	settings string
}

// start starts a directory, PostgreSQL and two replicas.
func start(t *testing.T, p parts) *world {
	t.Helper()
	directory := testbed.StartSlapd(t)
	postgres := testbed.StartPostgres(t)
	w := &world{t: t, directory: directory, postgres: postgres, database: postgres.NewDatabase(), link: testbed.StartLink(t, postgres.Addr)}
	config := fmt.Sprintf(`
registries: [{ service: %q, issuer: %q, for: distribution-3 }]
store: { url: %q }
cache: { redis_url: %q }
server: { trusted_proxies: ["127.0.0.0/8"], drain_delay: 3s }
connectors:
  - { name: local, type: htpasswd, file: htpasswd, match: "admin" }
  - name: corp
    type: ldap
    urls: [%q]
    ca_file: %q
    bind_dn: %q
    bind_password: %q
    user: { base_dn: "ou=people,%[9]s", filter: "(&(objectClass=inetOrgPerson)(uid={username}))", name_attr: uid }
    groups: { mode: search, base_dn: "ou=groups,%[9]s", filter: "(member={dn})", name_attr: cn }
`, service, issuer, w.database, p.redisURL,
		directory.LDAPSURL(), directory.CAFile, directory.BindDN, directory.BindPassword, directory.BaseDN)
	w.Replicas = testbed.StartReplicas(t, 2, testbed.ServerOptions{
		Config: config + p.settings,
		Files: map[string]string{
			"htpasswd": testbed.HTPasswd(t, admin, adminPW), "policy.yaml": policy,
		},
	}, nil, []string{"DRAWBRIDGE_STORE_URL=" + strings.Replace(w.database, postgres.Addr, w.link.Addr, 1)})
	w.run("policy", "apply", "policy.yaml", "--reason", "the tests")
	w.people = []person{
		{admin, adminPW}, {"alice", testbed.SeedPassword("alice")}, {"bob", testbed.SeedPassword("bob")}, w.robot("ci"),
	}
	client := newClient(t, w.CAFile, func(*http.Transport) {})
	for i, s := range w.Servers {
		w.Await(fmt.Sprintf("replica %d has the policy and the robot", i), func() bool {
			return s.Token("alice", testbed.SeedPassword("alice"), "repository:payments/api:push").Scope != "" &&
				token(client, s.URL, false, w.people[3], "").ok()
		})
	}
	return w
}

// robot creates a robot.
func (w *world) robot(name string) person {
	w.t.Helper()
	return person{"robot." + name, strings.TrimSpace(w.run("robot", "create", name, "--owner", "corp/payments-dev"))}
}

// run runs a command where the first replica runs, and returns what it prints.
func (w *world) run(args ...string) string {
	w.t.Helper()
	c := testbed.RunDrawbridge(w.t, w.Servers[0].Dir, "", append(args, "--config", "drawbridge.yaml")...)
	if c.Code != 0 {
		w.t.Fatalf("drawbridge %s: exit code %d\n%s%s", args, c.Code, c.Stdout, c.Stderr)
	}
	return c.Stdout
}

package clients

import (
	"errors"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"drawbridge/audit"
	"drawbridge/e2e/testbed"
)

// aClient is a row of the matrix: a program, how its registry listens, and what
// it prints where.
type aClient struct {
	name  string
	https bool
	start func(t *testing.T, caFile string) client
	// What it prints for a wrong password, for a push without the right at either
	// registry, for a manifest that is gone, and where nobody is logged in.
	badLogin, filtered, explained, missing, nobody string
}

func allClients() []aClient {
	return []aClient{
		{
			name:     "docker",
			start:    func(t *testing.T, _ string) client { return newDockerClient(t) },
			badLogin: "The username or the password is wrong", filtered: "denied", explained: reason, missing: "manifest unknown",
			nobody: "denied: requested access to the resource is denied",
		},
		{
			name: "skopeo", https: true, start: newSkopeoClient,
			badLogin: "invalid username/password", filtered: "denied", explained: "403 (Forbidden)", missing: "manifest unknown",
			nobody: "denied: requested access to the resource is denied",
		},
		{
			name:     "crane",
			start:    func(t *testing.T, caFile string) client { return newCraneClient(t, caFile) },
			badLogin: "The username or the password is wrong", filtered: "401 Unauthorized", explained: reason, missing: "MANIFEST_UNKNOWN",
			nobody: "UNAUTHORIZED: authentication required",
		},
	}
}

// reason is in every refusal of the explaining registry.
const reason = "Ask a registry admin and quote decision"

// Every registry with every client, at one server with a directory, an htpasswd
// file and Redis.
func TestEveryRegistryWithEveryClient(t *testing.T) {
	directory := testbed.StartSlapd(t)
	redis := testbed.StartRedis(t, testbed.RedisOptions{Password: "redis-secret"})
	s := serve(t, registries, corp(directory), "cache: { redis_url: \""+redis.URL()+"\" }\n")
	t.Run("matrix", func(t *testing.T) {
		for _, version := range testbed.RegistryVersions() {
			for _, c := range allClients() {
				t.Run(version+"/"+c.name, func(t *testing.T) {
					t.Parallel()
					run := matrix{t, s, version, c}
					run.logins()
					run.work(registryFor(t, s, version, filtering, c.https))
					run.refusals()
				})
			}
		}
	})
	if redis.CLI("DBSIZE") == "0" {
		t.Error("nobody was cached in Redis")
	}
	for _, secret := range []string{adminPW, testbed.SeedPassword("alice"), directory.BindPassword, "redis-secret"} {
		if strings.Contains(s.Output(), secret) {
			t.Errorf("the server printed the password %q", secret)
		}
	}
}

type matrix struct {
	t       *testing.T
	s       *testbed.Server
	version string
	aClient
}

// must fails the test unless the command succeeded.
func (m matrix) must(what, out string, err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", what, err, out)
	}
}

// refused fails the test unless the command ended with exit code 1 and printed
// the text.
func (m matrix) refused(what, text, out string, err error) {
	m.t.Helper()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		m.t.Errorf("%s: %v, want exit code 1\n%s", what, err, out)
		return
	}
	contains(m.t, what, out, text)
}

// as starts the program anew and logs it in; no user is nobody.
func (m matrix) as(r *testbed.Registry, user, password string) client {
	m.t.Helper()
	c := m.start(m.t, m.s.CAFile)
	if user != "" {
		out, err := c.login(host(r), user, password)
		m.must("log in as "+user, out, err)
	}
	return c
}

func (m matrix) person(r *testbed.Registry, user string) client {
	m.t.Helper()
	return m.as(r, user, testbed.SeedPassword(user))
}

// logins that fail. crane's login asks nobody, so that its next command does.
func (m matrix) logins() {
	m.t.Helper()
	r := registryFor(m.t, m.s, m.version, filtering, m.https)
	for _, user := range []string{"alice", admin, "nobody-of-that-name"} {
		c := m.start(m.t, m.s.CAFile)
		out, err := c.login(host(r), user, "wrong")
		if m.name == "crane" {
			m.must("crane stores the login", out, err)
			_, out, err = c.pull(host(r)+"/public/app:v1", "")
		}
		m.refused("a wrong login as "+user, m.badLogin, out, err)
	}
}

// work is what the people may do.
func (m matrix) work(r *testbed.Registry) {
	m.t.Helper()
	app, copied, public := host(r)+"/payments/app:v1", host(r)+"/payments/copy:v1", host(r)+"/public/app:v1"
	content := "content for " + host(r)

	alice := m.person(r, "alice")
	out, err := alice.push(app, content)
	m.must("push", out, err)
	m.pulls(alice, app, content)
	out, err = alice.copy(app, copied)
	m.must("push under another name", out, err)
	mounted := regexp.MustCompile(`POST /v2/payments/copy/blobs/uploads/\?[^ ]*mount=sha256[^ ]* HTTP/1.1" 201`)
	if !mounted.MatchString(r.Log()) {
		m.t.Errorf("no layer was mounted from the other repository:\n%s\n%s", out, r.Log())
	}

	root := m.as(r, admin, adminPW)
	publicContent := content + ", public"
	out, err = root.push(public, publicContent)
	m.must("push of the administrator", out, err)
	m.catalog(r, "payments/app", "payments/copy", "public/app")
	m.anonymous(r, root, app, public, publicContent)
	m.remove(r, alice, app)
}

func (m matrix) pulls(c client, ref, content string) {
	m.t.Helper()
	same, out, err := c.pull(ref, content)
	m.must("pull "+ref, out, err)
	if !same {
		m.t.Errorf("pull %s: not what was pushed:\n%s", ref, out)
	}
}

// catalog is listed by carol, who may through a nested group, and not by alice.
func (m matrix) catalog(r *testbed.Registry, want ...string) {
	m.t.Helper()
	token := m.s.Ask(testbed.TokenRequest{
		Service: filtering, User: "carol", Password: testbed.SeedPassword("carol"), Scopes: []string{"registry:catalog:*"},
	})
	status, body := bearer(m.t, m.s, r, http.MethodGet, "/v2/_catalog", token.Token)
	if status != http.StatusOK {
		m.t.Errorf("catalog with carol's token: status %d: %s", status, body)
	}
	contains(m.t, "catalog", body, want...)

	crane := newCraneClient(m.t, m.s.CAFile)
	for user, may := range map[string]bool{"carol": true, "alice": false} {
		out, err := crane.login(host(r), user, testbed.SeedPassword(user))
		m.must("crane auth login", out, err)
		out, err = crane.run("", "catalog", host(r))
		if !may {
			m.refused("crane catalog as "+user, "UNAUTHORIZED", out, err)
			continue
		}
		m.must("crane catalog as "+user, out, err)
		if got := strings.Join(strings.Fields(out), " "); got != strings.Join(want, " ") {
			m.t.Errorf("crane catalog lists %q, want %q", got, want)
		}
	}
}

// anonymous may pull what is public and nothing else. Docker compares layers
// with what it has pushed, so that root's client lends its memory.
func (m matrix) anonymous(r *testbed.Registry, root client, app, public, content string) {
	m.t.Helper()
	nobody := m.as(r, "", "")
	if d, ok := nobody.(dockerClient); ok {
		d.layers[content] = root.(dockerClient).layers[content]
	}
	m.pulls(nobody, public, content)
	_, out, err := nobody.pull(app, "")
	m.refused("anonymous pull of what is not public", m.nobody, out, err)
	out, err = nobody.push(host(r)+"/public/other:v1", "from nobody")
	m.refused("anonymous push", m.nobody, out, err)
}

// remove is for carol, not for alice, who may push. Docker has no such command:
// the same request is made with a token of the person's.
func (m matrix) remove(r *testbed.Registry, alice client, app string) {
	m.t.Helper()
	carol := m.person(r, "carol")
	out, err := alice.remove(app)
	if errors.Is(err, errUnable) {
		alice, carol = m.byToken(r, "alice"), m.byToken(r, "carol")
		out, err = alice.remove(app)
	}
	if err == nil {
		m.t.Errorf("alice may delete:\n%s", out)
	}
	out, err = carol.remove(app)
	m.must("delete", out, err)
	_, out, err = m.person(r, "carol").pull(app, "")
	m.refused("pull of what was deleted", m.missing, out, err)
}

// refusals of a push, by a registry that filters and by one that explains.
func (m matrix) refusals() {
	m.t.Helper()
	for service, text := range map[string]string{filtering: m.filtered, explaining: m.explained} {
		r := registryFor(m.t, m.s, m.version, service, m.https)
		out, err := m.person(r, "alice").push(host(r)+"/release/app:v1", "not for alice")
		m.refused("push without the right, "+service, text, out, err)
		if text == reason {
			m.quoted(out)
		}
		if strings.Contains(r.Log(), "PUT /v2/release") {
			m.t.Errorf("%s: a refused push uploaded something:\n%s", service, r.Log())
		}
	}
}

// quoted looks up the decision that a refused person would quote to an admin.
func (m matrix) quoted(out string) {
	m.t.Helper()
	id := regexp.MustCompile(reason + ` ([^. ]+)\.`).FindStringSubmatch(out)
	if id == nil {
		m.t.Errorf("no decision to quote in:\n%s", out)
		return
	}
	e := m.s.AwaitAudit("decision "+id[1], func(e audit.Event) bool { return e.DecisionID == id[1] })
	if e.Action != audit.TokenDenied || e.User != "corp/alice" || !strings.HasPrefix(strings.Join(e.Requested, " "), "repository:release/app:") {
		m.t.Errorf("the audit log has of decision %s: %+v", id[1], e)
	}
}

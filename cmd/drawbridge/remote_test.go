package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// bothWays runs commands at the store and at a server that uses it.
type bothWays struct {
	t      *testing.T
	server *running
	flags  []string
}

const remotePolicy = `bindings:
  - {name: admins, role: policy-admin, subjects: ["user:local/admin"]}
  - {name: dev, role: pusher, subjects: ["group:local/dev", "robot:dev-ci"], repositories: ["apps/**"]}
`

func newBothWays(t *testing.T) *bothWays {
	t.Helper()
	r := startServe(t, seeded(t))
	w := &bothWays{t: t, server: r, flags: []string{"--server", r.url, "--ca-file", filepath.Join(r.dir, "tls", "server.crt")}}
	// What docker login stores, in its file.
	docker := t.TempDir()
	auth := base64.StdEncoding.EncodeToString([]byte("admin:" + seedPassword))
	text := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, strings.TrimPrefix(r.url, "https://"), auth)
	if err := os.WriteFile(filepath.Join(docker, "config.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", docker)
	t.Setenv("DRAWBRIDGE_AUDIT_FILE", filepath.Join(docker, "audit.jsonl")) // of the commands; the server runs already
	return w
}

// result is what somebody sees of a command.
type result struct {
	Code           int
	Stdout, Stderr string
}

func (w *bothWays) run(stdin string, args ...string) result {
	w.t.Helper()
	var out, errOut bytes.Buffer
	err := run(w.t.Context(), args, strings.NewReader(stdin), &out, &errOut)
	code := exitCode(err, &errOut)
	return result{code, out.String(), errOut.String()}
}

func (w *bothWays) local(args ...string) result { return w.run("", args...) }

func (w *bothWays) remote(args ...string) result {
	return w.run("", append(append([]string{}, args...), w.flags...)...)
}

// file writes a document and returns its name.
func (w *bothWays) file(text string) string {
	w.t.Helper()
	name := filepath.Join(w.t.TempDir(), "policy.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return name
}

// settled waits until the server uses the revision.
func (w *bothWays) settled(revision string) {
	w.t.Helper()
	eventually(w.t, revision+" is in force", func() bool {
		return strings.Contains(w.remote("policy", "plan", w.file("bindings: []\n"), "-o", "json").Stdout, `"base": "`+revision+`"`)
	})
}

// askedAt is when a connector was asked for somebody's groups.
var askedAt = regexp.MustCompile(`(asked at|"at":) "?20\d\d-[^ ,)"]+"?`)

// same runs a command that changes nothing both ways.
func (w *bothWays) same(want int, contains string, args ...string) {
	w.t.Helper()
	for _, format := range []string{"table", "json"} {
		formatted := append(append([]string{}, args...), "-o", format)
		local, remote := w.local(formatted...), w.remote(formatted...)
		for _, r := range []*result{&local, &remote} {
			r.Stdout = askedAt.ReplaceAllString(r.Stdout, "$1 then")
		}
		if diff := cmp.Diff(local, remote); diff != "" {
			w.t.Errorf("%v: at the store and at the server:\n%s", formatted, diff)
		}
		if remote.Code != want || format == "table" && !strings.Contains(remote.Stdout+remote.Stderr, contains) {
			w.t.Errorf("%v: exit code %d, want %d, and %q in: %s%s", formatted, remote.Code, want, contains, remote.Stdout, remote.Stderr)
		}
	}
}

// changes is what differs between two commands that each change something.
var changes = regexp.MustCompile(`dbrobot_\w+|r\d+|20\d\d-[^ "]+Z|cli:[^ "]+|local/admin|"id": "\w+"|"event\.[^\n]*\n|\{"@timestamp[^\n]*\n|docker login[^\n]*|dev-[xy]|[0-9a-f]{12}`)

// alike runs a command that changes something at the store, and then the other one
// at the server: both have to say the same.
func (w *bothWays) alike(want int, local, remote []string) (at result) {
	w.t.Helper()
	first, second := w.local(local...), w.remote(remote...)
	for _, r := range []*result{&first, &second} {
		at = *r
		r.Stdout, r.Stderr = changes.ReplaceAllString(r.Stdout, "*"), changes.ReplaceAllString(r.Stderr, "*")
		r.Stderr = strings.TrimPrefix(r.Stderr, "*")
	}
	if diff := cmp.Diff(first, second); diff != "" || second.Code != want {
		w.t.Errorf("%v: exit code %d, want %d; at the store and at the server:\n%s", remote, second.Code, want, diff)
	}
	return at
}

func words(text string) []string { return strings.Fields(text) }

func TestPolicyAndAccessBothWays(t *testing.T) {
	w := newBothWays(t)
	one, two := w.file(remotePolicy), w.file(remotePolicy+"# two\n")
	faulty, untrue := w.file("bindings:\n  - {name: x, role: pushr, subjects: [anonymous], repositories: [a]}\n"), w.file(remotePolicy+
		"tests:\n  - {as: {groups: [local/dev]}, repository: apps/x, allow: [delete]}\n")
	w.alike(0, []string{"policy", "apply", one, "--reason", "JIRA-1"}, []string{"policy", "apply", two, "--reason", "JIRA-1"})
	w.settled("r3")
	w.same(0, "# two", "policy", "show")
	w.same(0, "# two", "policy", "export")
	w.same(0, "name: dev", "policy", "show", "r2")
	w.same(1, "There is no such thing here", "policy", "show", "r99")
	w.same(0, "JIRA-1", "policy", "history")
	w.same(0, "+# two", "policy", "history", "r3")
	w.same(0, "/dev/null", "policy", "history", "r1")
	w.same(0, "-# two", "policy", "plan", one)
	w.same(1, `unknown role "pushr"`, "policy", "plan", faulty)
	w.same(1, `unknown role "pushr"`, "policy", "apply", faulty)
	w.same(1, "tests[0]", "policy", "apply", untrue)
	w.same(1, "yours is based on r1 and r3 is in force", "policy", "apply", one, "--base", "r1")
	w.same(0, "has this text already", "policy", "apply", two)
	w.alike(0, words("policy rollback r1 --reason oops"), words("policy rollback r2 --reason oops"))
	w.same(1, "no such thing", "policy", "rollback", "r99")
	w.settled("r5")
	w.same(0, "granted by dev", "access", "explain", "local/admin", "push", "apps/api", "--group", "dev")
}

func TestAccessBothWays(t *testing.T) {
	w := newBothWays(t)
	if got := w.remote("policy", "apply", w.file(remotePolicy)); got.Code != 0 {
		t.Fatalf("%+v", got)
	}
	w.settled("r2")
	w.same(0, "granted by dev", "access", "explain", "local/admin", "push", "apps/api", "--group", "dev")
	w.same(1, "no_grant", "access", "explain", "local/admin", "push", "apps/api")
	w.same(1, "no_grant", "access", "explain", "anonymous", "catalog", "catalog")
	w.same(0, "group:local/dev", "access", "who-can", "push", "apps/api")
	w.same(1, "nobody", "access", "who-can", "delete", "apps/api")
	w.same(0, "write-policy", "access", "list", "local/admin")
	w.same(0, "dev", "access", "list", "local/admin", "--group", "dev")
	w.same(1, "no binding", "access", "list", "anonymous")
	for _, args := range []string{"list local/nobody", "explain local/nobody push apps/api", "who-can fly apps/api", "explain x push apps/api"} {
		local, remote := w.local(words("access "+args)...), w.remote(words("access "+args)...)
		if local.Code != 2 || remote.Code != 2 || remote.Stdout != "" {
			t.Errorf("%s: %+v, %+v", args, local, remote)
		}
	}
}

func TestRobotsBothWays(t *testing.T) {
	w := newBothWays(t)
	for _, format := range []string{"table", "json"} {
		// The same at both: what the store made is deleted again before the server makes it.
		w.alike(0, words("robot create dev-x --owner local/dev -o "+format), words("robot create dev-y --owner local/dev -o "+format))
		w.alike(0, words("robot rotate dev-x --ttl 30d -o "+format), words("robot rotate dev-y --ttl 30d -o "+format))
		w.alike(0, words("robot rotate dev-x --overlap 0 -o "+format), words("robot rotate dev-y --overlap 0 -o "+format))
		w.same(0, "dev-y", "robot", "list")
		w.alike(0, words("robot delete dev-x"), words("robot delete dev-y"))
	}
	w.alike(0, words("robot create dev-x --owner local/dev"), words("robot create dev-y --owner local/dev"))
	w.alike(1, words("robot create dev-x --owner local/dev"), words("robot create dev-x --owner local/dev"))
	w.alike(1, words("robot create dev-z --owner crop/dev"), words("robot create dev-z --owner crop/dev"))
	w.alike(1, words("robot create Dev --owner local/dev"), words("robot create Dev --owner local/dev"))
	w.alike(1, words("robot create z --owner local/dev --ttl 9999d"), words("robot create z --owner local/dev --ttl 9999d"))
	w.alike(0, words("robot disable dev-x"), words("robot disable dev-y"))
	w.alike(0, words("robot enable dev-x"), words("robot enable dev-y"))
	for _, what := range []string{"rotate", "disable", "enable", "delete"} {
		w.alike(1, words("robot "+what+" nobody"), words("robot "+what+" nobody"))
	}
}

func TestSessionsBothWays(t *testing.T) {
	w := newBothWays(t)
	for range 3 {
		w.server.login(t, seedPassword)
	}
	w.same(0, "local/admin", "session", "list")
	w.same(0, "local/admin", "session", "list", "--user", "local/admin", "--all", "--limit", "2")
	w.same(1, "write CONNECTOR/NAME", "session", "list", "--user", "alice")
	w.same(1, "no such session", "session", "revoke", "nobodys")
	var list []struct{ ID string }
	if err := json.Unmarshal([]byte(w.remote("session", "list", "-o", "json").Stdout), &list); err != nil || len(list) != 3 {
		t.Fatalf("%v, %v", list, err)
	}
	w.same(0, "ended: "+list[0].ID, "session", "revoke", list[0].ID, "--reason", "lost")
	w.alike(0, words("session revoke --user local/bob"), words("session revoke --user local/bob"))
	w.same(1, "write CONNECTOR/NAME", "session", "revoke", "--user", "bob")
	w.same(0, "signing", "keys", "list")
	w.alike(0, words("user forget local/bob"), words("user forget local/bob"))
	w.alike(1, words("user forget nowhere/bob"), words("user forget nowhere/bob"))
	w.alike(0, words("token revoke some-jti"), words("token revoke some-jti"))
	if got := w.remote("session", "revoke", "--user", "local/admin", "-o", "json"); got.Code != 0 || strings.Count(got.Stdout, `",`)+strings.Count(got.Stdout, `"\n`) < 2 {
		t.Errorf("%+v", got)
	}
}

func TestRemoteCredentials(t *testing.T) {
	w := newBothWays(t)
	password := append(words("policy show --username admin"), w.flags...)
	if got := w.run(seedPassword+"\n", password...); got.Code != 0 {
		t.Errorf("a password on standard input: %+v", got)
	}
	if got := w.run("wrong\n", password...); got.Code != 2 || strings.Contains(got.Stderr, "wrong\n") {
		t.Errorf("a wrong password: %+v", got)
	}
	t.Setenv("DRAWBRIDGE_SERVER", w.server.url)
	if got := w.local(append(words("policy show"), w.flags[2:]...)...); got.Code != 0 {
		t.Errorf("the server in the environment: %+v", got)
	}
	for _, args := range []string{
		"policy show --server " + w.server.url + " --config x.yaml", "policy show --server http://auth.example.com", "policy show --server nonsense",
		"keys rotate --server " + w.server.url, "policy show --ca-file missing.pem", "policy show", // not trusted
		"token revoke - --username admin", "access explain a/b push x/y --policy x.yaml --server " + w.server.url,
	} {
		if got := w.local(words(args)...); got.Code != 2 || got.Stdout != "" {
			t.Errorf("%s: %+v", args, got)
		}
	}
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	if got := w.remote("policy", "show"); got.Code != 2 || !strings.Contains(got.Stderr, "--username") {
		t.Errorf("without a password: %+v", got)
	}
}

func TestAuditBothWays(t *testing.T) {
	w := newBothWays(t)
	eventually(t, "the first event is in the store", func() bool { return w.local("audit", "query", "--action", "policy_loaded").Code == 0 })
	w.same(0, "policy_loaded", "audit", "query", "--action", "policy_loaded,policy_rejected", "--since", "1h")
	w.same(0, "policy_loaded", "audit", "tail", "--action", "policy_loaded", "-n", "700")
	w.same(1, "no event matches", "audit", "query", "--user", "corp/nobody")
	w.same(1, "there is no action", "audit", "query", "--action", "logon")
	stranger := w.run("wrong", append([]string{"audit", "query", "--username", "eve"}, w.flags...)...)
	if stranger.Code == 0 || strings.Contains(stranger.Stdout, "policy_loaded") {
		t.Errorf("with a wrong password: %+v", stranger)
	}
}

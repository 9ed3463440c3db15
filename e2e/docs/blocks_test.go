package docs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// block is one fenced block of a page.
type block struct {
	file string
	line int
	lang string
	run  string // the runner's name
	text string
}

// runners are the names that the tests of this package run, and those of the packages
// edge, gateway, monitoring and packages. A name ends up here by hand, beside the test
// that runs it.
func runners() []string {
	return []string{
		"ad",
		"ad-check",
		"ad-login",
		"ad-policy",
		"ad-search",
		"api",
		"audit-query",
		"backup-cron",
		"backup-external",
		"backup-kubernetes",
		"backup-make",
		"backup-recipient",
		"backup-restore",
		"backup-systemd",
		"backup-verify",
		"breakglass-arm",
		"breakglass-end",
		"breakglass-use",
		"check-example",
		"commands-server",
		"compose",
		"compose-denied",
		"compose-down",
		"compose-gateway",
		"compose-tour",
		"config-check",
		"demo",
		"doctor",
		"drop-in",
		"exec-config",
		"exec-login",
		"exec-program",
		"exec-serve",
		"exec-try",
		"explain",
		"explain-policy",
		"gateway-caddy",
		"gateway-introspect",
		"gateway-nginx",
		"gateway-revoke",
		"go-connector",
		"ha-ca",
		"ha-config",
		"ha-kubernetes",
		"ha-nginx",
		"ha-postgres",
		"ha-redis-acl",
		"htpasswd",
		"htpasswd-add",
		"htpasswd-change",
		"htpasswd-check",
		"htpasswd-fallback",
		"htpasswd-login",
		"htpasswd-policy",
		"keys-emergency",
		"keys-list",
		"keys-new-ca",
		"keys-retire-ca",
		"keys-rotate",
		"keys-service",
		"keys-service-retire",
		"kube-ingress",
		"kube-ingress-install",
		"kube-install",
		"kube-plain",
		"kube-policy",
		"kube-replicas",
		"kube-replicas-install",
		"kube-replicas-secrets",
		"kube-secrets",
		"kube-try",
		"kube-values",
		"ldap",
		"ldap-access",
		"ldap-check",
		"ldap-domain",
		"ldap-login",
		"ldap-policy",
		"ldap-search",
		"listen-acme",
		"listen-cors",
		"limits-settings",
		"listen-nginx",
		"listen-socket",
		"log-settings",
		"login-test",
		"login-test-password",
		"migrate-docker-auth",
		"migrate-explain",
		"migrate-htpasswd",
		"oidc",
		"oidc-check",
		"oidc-discovery",
		"oidc-overage",
		"oidc-policy",
		"own-login",
		"own-registry",
		"own-serve",
		"package-deb",
		"package-image",
		"package-rpm",
		"package-secret",
		"package-socket",
		"package-socket-config",
		"package-start",
		"package-tar",
		"policy",
		"policy-change",
		"policy-check",
		"prometheus",
		"promtool",
		"proxy-caddy",
		"proxy-config",
		"proxy-haproxy",
		"proxy-nginx",
		"proxy-nginx-strip",
		"registry-config",
		"release-make",
		"release-verify",
		"robot-create",
		"robot-list",
		"robot-login",
		"robot-rotate",
		"robot-stop",
		"robot-test",
		"session-list",
		"session-revoke",
		"this-suite",
		"tracing-settings",
		"upgrade-deb",
		"upgrade-kube",
		"upgrade-kube-back",
		"user-forget",
		"well-known",
	}
}

// pages returns the documents people read, but not the decisions, which show none.
func pages(t *testing.T) []string {
	t.Helper()
	root := testbed.Root(t)
	found, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no pages in docs: %v", err)
	}
	return append(found, filepath.Join(root, "README.md"))
}

// blocks returns all fenced blocks of a page. faults are commands outside them.
func blocks(t *testing.T, page string) (found []block, faults []string) {
	t.Helper()
	all, faults := testbed.Blocks(t, page)
	for _, b := range all {
		found = append(found, block{file: b.File, line: b.Line, lang: b.Lang, run: b.Run, text: b.Text})
	}
	return found, faults
}

// named returns the text of the blocks that a runner runs, in their order.
func named(t *testing.T, name string) []block {
	t.Helper()
	if !slices.Contains(runners(), name) {
		t.Fatalf("%s is not in the list of runners", name)
	}
	var found []block
	for _, page := range pages(t) {
		all, _ := blocks(t, page)
		for _, b := range all {
			if b.run == name {
				found = append(found, b)
			}
		}
	}
	if len(found) == 0 {
		t.Fatalf("no page has a block to run as %s", name)
	}
	return found
}

// one returns the text of the only block of that name.
func one(t *testing.T, name string) string {
	t.Helper()
	found := named(t, name)
	if len(found) != 1 {
		t.Fatalf("%d blocks are to be run as %s", len(found), name)
	}
	return found[0].text
}

func TestEveryBlockIsRun(t *testing.T) {
	t.Parallel()
	for _, page := range pages(t) {
		found, faults := blocks(t, page)
		for _, line := range faults {
			t.Errorf("%s: a command outside a block that is run: %q", filepath.Base(page), line)
		}
		for _, b := range found {
			if b.lang != "text" && !slices.Contains(runners(), b.run) {
				t.Errorf("%s:%d: nothing runs this block (marked %q); see the package documentation", b.file, b.line, b.run)
			}
		}
	}
}

// The README promises that `make test` is the whole suite, and .ci/run runs it.
func TestTheSuiteIsWhatTheREADMESays(t *testing.T) {
	t.Parallel()
	command := strings.TrimSpace(one(t, "this-suite"))
	ci, err := os.ReadFile(filepath.Join(testbed.Root(t), ".ci", "run"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(strings.Split(string(ci), "\n"), command) {
		t.Errorf(".ci/run does not run %q", command)
	}
}

package migrate_test

import (
	"slices"
	"strings"
	"testing"

	"drawbridge/migrate"

	"github.com/google/go-cmp/cmp"
)

// What cannot be carried over is listed with its line, and the rest is there.
func TestSettings(t *testing.T) {
	made, err := migrate.DockerAuth([]byte(`server: { addr: ":5001", certificate: /etc/a.crt, key: /etc/a.key }
token: { issuer: I, expiration: 900 }
users:
  alice: { password: "$2a$04$t/UAWr.k9mD4sqnrhF4jXu1DjRi1b98HHXRkM6TUyKTYPW8sFgYIe" }
  open: {}
  "a:b": { password: "$2a$04$t/UAWr.k9mD4sqnrhF4jXu1DjRi1b98HHXRkM6TUyKTYPW8sFgYIe" }
  "robot.x": { password: "$2a$04$t/UAWr.k9mD4sqnrhF4jXu1DjRi1b98HHXRkM6TUyKTYPW8sFgYIe" }
  none:
ldap_auth:
  addr: "ldap.example.com:389"
  tls: starttls
  base: "dc=example"
  filter: "(&(sAMAccountName=${account})(objectClass=person))"
  bind_dn: "cn=x"
  bind_password_file: "/run/secret"
  labels: { groups: { attribute: memberOf, parse_cn: true }, title: { attribute: title } }
github_auth: {}
acl:
  - match: { account: alice }
    actions: [pull]
`), migrate.Options{Service: "S", Dir: "/etc/drawbridge"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`tls: { mode: files, cert_file: "/etc/a.crt", key_file: "/etc/a.key" }`, `ca_cert_file: "/etc/a.crt"`, "access_ttl: 15m0s",
		`urls: ["ldap://ldap.example.com:389"]`, "start_tls: true", `filter: "(&(sAMAccountName={username})(objectClass=person))", name_attr: "sAMAccountName"`,
		"groups: { mode: member_of, name_attr: cn }", `service: "S"`,
	} {
		if !strings.Contains(made.Files["drawbridge.yaml"], want) {
			t.Errorf("%s is not in\n%s", want, made.Files["drawbridge.yaml"])
		}
	}
	if strings.Count(made.Files["htpasswd"], "\n") != 1 || !strings.HasPrefix(made.Files["htpasswd"], "alice:$2a$04$") {
		t.Errorf("htpasswd: %q", made.Files["htpasswd"])
	}
	lines := map[int]bool{}
	for _, l := range made.Losses {
		lines[l.Line] = true
	}
	for _, want := range []int{2, 5, 6, 7, 8, 9, 17} {
		if !lines[want] {
			t.Errorf("no loss of line %d: %v", want, made.Losses)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, text := range []string{"", "[]", "acl: 7", "acl: [ { actions: [pull] } ]", "\tx"} {
		if made, err := migrate.DockerAuth([]byte(text), migrate.Options{}); err == nil {
			t.Errorf("%q was made into %v", text, made)
		}
	}
}

func TestHTPasswd(t *testing.T) {
	made := migrate.HTPasswd([]byte("# people\nalice:$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC\nbob:$apr1$x$y\n\nrobot.x:$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC\n"),
		migrate.Options{Service: "S"})
	if !strings.HasPrefix(made.Files["htpasswd"], "alice:") || strings.Count(made.Files["htpasswd"], "\n") != 1 {
		t.Errorf("%q", made.Files["htpasswd"])
	}
	var lines []int
	for _, l := range made.Losses {
		lines = append(lines, l.Line)
	}
	if diff := cmp.Diff([]int{3, 5}, slices.Sorted(slices.Values(lines))); diff != "" {
		t.Error(diff)
	}
}

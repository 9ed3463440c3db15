package docs

import (
	"strings"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
)

// ldapPage returns the page's task at a real OpenLDAP, which lets the service
// account read what the page says and nothing else.
func ldapPage(t *testing.T) (*task, *testbed.Slapd) {
	t.Helper()
	s := testbed.StartSlapd(t, testbed.SlapdAccess(one(t, "ldap-access")))
	s.Modify(s.PersonDN("alice"), "mail", "alice@corp.example")
	w := newTask(t, "ldap.md", "ldap",
		"ldaps://ldap1.corp.example", s.LDAPSURL(), "ldaps://ldap2.corp.example", "ldaps://127.0.0.1:1",
		"/etc/drawbridge/ldap-ca.pem", s.CAFile, "/run/secrets/ldap", "ldap-password")
	w.write("ldap-password", s.BindPassword+"\n")
	return w, s
}

// docs/ldap.md: its commands and configurations at a real OpenLDAP.
func TestLDAPPage(t *testing.T) {
	t.Parallel()
	w, s := ldapPage(t)
	out, err := w.prompted(w.block("ldap-search"), s.BindPassword)
	for _, want := range []string{"mail: alice@corp.example", "entryUUID: "} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%v: %q is not in\n%s", err, want, out)
		}
	}
	w.shows(w.run(w.block("ldap-check")))
	w.env = append(w.env, "PASSWORD="+testbed.SeedPassword("alice"))
	if out := w.run(w.block("ldap-login")); !strings.Contains(out, "login  granted  corp  corp/alice") {
		t.Error(out)
	}
	w.serves("alice", testbed.SeedPassword("alice"), "payments/api", "pull push")
}

// Each line of the table of refusals, with the reason that it names.
func TestLDAPRefusals(t *testing.T) {
	t.Parallel()
	w, s := ldapPage(t)
	for _, uid := range []string{"locked", "reset"} {
		s.AddPerson(testbed.Person{UID: uid, Policy: testbed.PolicyStrict, MustChange: uid == "reset"})
	}
	s.AddPerson(testbed.Person{UID: "old", Policy: testbed.PolicyExpiring})
	s.Add("cn=other,"+strings.SplitN(s.PersonDN("twin"), ",", 2)[1], map[string][]string{
		"objectClass": {"inetOrgPerson"}, "cn": {"other"}, "sn": {"Twin"}, "uid": {"twin"},
	})
	s.AddPerson(testbed.Person{UID: "twin"})
	w.refusals(map[string]func() string{
		"wrong_password": w.attempt("alice", "wrong"),
		"unknown_user":   w.seeded("nobody"),
		"ambiguous_user": w.seeded("twin"),
		"account_locked": func() string {
			for range 3 {
				w.attempt("locked", "wrong")()
			}
			return w.seeded("locked")()
		},
		"password_expired": func() string { // it is good for a second
			out := w.seeded("old")()
			for deadline := time.Now().Add(20 * time.Second); strings.Contains(out, "granted  corp  corp/old") && time.Now().Before(deadline); {
				out = w.seeded("old")()
			}
			return out
		},
		"password_must_change": w.seeded("reset"),
		"bad_password":         w.attempt("alice", ""),
		"bad_username":         w.seeded(strings.Repeat("a", 257)),
	})
}

// And each line of the table of what is answered 503.
func TestLDAPCauses(t *testing.T) {
	t.Parallel()
	w, s := ldapPage(t)
	w.write("wrong", "wrong\n")
	w.causes("`login-test` prints ", []func(string) string{
		without("ca_file"),
		replaced(s.LDAPSURL(), "ldaps://127.0.0.1:2"),
		replaced("ldap-password", "wrong"),
		replaced("ou=people,", "ou=nowhere,"),
		replaced("ou=groups,", "ou=nowhere,"),
	})
}

// Each line of the table of groups finds a group of its kind.
func TestLDAPGroups(t *testing.T) {
	t.Parallel()
	w, s := ldapPage(t)
	s.Add(s.GroupDN("unique"), map[string][]string{
		"objectClass": {"groupOfUniqueNames"}, "cn": {"unique"}, "uniqueMember": {s.PersonDN("carol")},
	})
	s.Add(s.GroupDN("posix"), map[string][]string{
		"objectClass": {"posixGroup"}, "cn": {"posix"}, "gidNumber": {"5000"}, "memberUid": {"carol"},
	})
	want := []string{"group:corp/division ", "group:corp/unique ", "group:corp/posix ", "group:corp/team ", "this server is no Active Directory"}
	rows := w.rows("your groups ")
	if len(rows) != len(want) {
		t.Fatalf("the table has %d rows, and the test %d", len(rows), len(want))
	}
	before, after, _ := strings.Cut(w.block("ldap"), "    groups:\n")
	_, after, _ = strings.Cut(after, "policy:\n")
	for i, row := range rows {
		groups := "    groups:\n      base_dn: \"ou=groups," + s.BaseDN + "\"\n"
		if !strings.Contains(row[1], "mode: ") {
			groups += "      mode: search\n" // "the same with"
		}
		for _, setting := range quoted(row[1]) {
			groups += "      " + setting + "\n"
		}
		w.write("groups.yaml", before+groups+"policy:\n"+after)
		out, _ := w.command("drawbridge login-test carol --config groups.yaml").CombinedOutput() // the last one fails
		if !strings.Contains(string(out), want[i]) {
			t.Errorf("%s: %q is not in\n%s", row[0], want[i], out)
		}
	}
}

package docs

import (
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// adPage returns the page's task at a real domain controller.
func adPage(t *testing.T) (*task, *testbed.Samba) {
	t.Helper()
	s := testbed.StartSamba(t, testbed.SambaStrongAuth())
	s.Modify(s.DN("carol"), "mail", "carol@ad.example")
	w := newTask(t, "active-directory.md", "ad",
		"ldaps://dc1.ad.example", s.LDAPSURL(), "ldaps://dc2.ad.example", "ldaps://127.0.0.1:1",
		"/etc/drawbridge/ad-ca.pem", s.CAFile, "/run/secrets/ad", "ad-password")
	w.write("ad-password", s.BindPassword+"\n")
	// Unlike Active Directory, Samba reads every entry for the rule of ad_nested.
	w.env = append(w.env, "DRAWBRIDGE_CONNECTORS_0_TIMEOUT=8s")
	return w, s
}

// docs/active-directory.md: its commands and configurations at a real domain
// controller.
func TestActiveDirectoryPage(t *testing.T) {
	t.Parallel()
	w, s := adPage(t)
	out, err := w.prompted(w.block("ad-search"), s.BindPassword)
	for _, want := range []string{"userPrincipalName: alice@ad.example", "memberOf: CN=payments-dev,", "primaryGroupID: 513"} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%v: %q is not in\n%s", err, want, out)
		}
	}
	w.shows(w.run(w.block("ad-check")))
	w.env = append(w.env, "PASSWORD="+testbed.SeedPassword("carol"))
	if out := w.run(w.block("ad-login")); !strings.Contains(out, "login  granted  corp  corp/carol") {
		t.Error(out)
	}
	w.serves("jürgen", testbed.SeedPassword("jürgen"), "translations/manual", "pull push")

	// The table of names.
	for _, row := range w.rows("typed at the login ") {
		for _, typed := range quoted(row[0]) {
			want := 0
			if strings.HasPrefix(row[1], "nobody") {
				want = 1
			}
			if code, out := w.tryLogin("drawbridge.yaml", typed, testbed.SeedPassword("carol")); code != want {
				t.Errorf("%s: exit code %d, want %d: %s", typed, code, want, out)
			}
		}
	}
	w.write("upn.yaml", strings.Replace(w.block("ad"), "name_attr: sAMAccountName", "name_attr: userPrincipalName", 1))
	if out := w.run("drawbridge login-test carol --config upn.yaml"); !strings.Contains(out, "person     corp/carol@ad.example") ||
		!strings.Contains(out, "${user}    carol__40ad.example") {
		t.Error(out)
	}

	// The global catalog.
	w.write("catalog.yaml", strings.Replace(w.block("ad"), s.LDAPSURL(), s.LDAPSURL()+":3269", 1))
	code, out := w.tryLogin("catalog.yaml", "carol", testbed.SeedPassword("carol"))
	for range 5 {
		if strings.Contains(out, "Time Limit Exceeded") { // on a machine that is out of breath
			code, out = w.tryLogin("catalog.yaml", "carol", testbed.SeedPassword("carol"))
		}
	}
	if code != 0 || !strings.Contains(out, "group:corp/division") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// Each line of the table of refusals, with the reason that it names.
func TestActiveDirectoryRefusals(t *testing.T) {
	t.Parallel()
	w, s := adPage(t)
	s.Tool("domain", "passwordsettings", "set", "--account-lockout-threshold=3",
		"--account-lockout-duration=30", "--reset-account-lockout-after=30", "--max-pwd-age=900")
	s.AddUser("old")
	s.OldPassword("old")
	s.Modify(s.AddUser("hours"), "logonHours", string(make([]byte, 21))) // one bit for each hour of the week
	s.AddUser("locked")
	s.AddUser("twin", "--mail-address=alice")
	w.refusals(map[string]func() string{
		"wrong_password": w.attempt("alice", "wrong"),
		"unknown_user":   w.seeded("nobody"),
		"ambiguous_user": func() string { // with a filter by which two people have one name
			w.write("mail.yaml", strings.Replace(w.block("ad"), "userPrincipalName=", "mail=", 1))
			_, out := w.tryLogin("mail.yaml", "alice", testbed.SeedPassword("alice"))
			return out
		},
		"account_disabled": w.seeded("disabled"),
		"account_expired":  w.seeded("expired"),
		"account_locked": func() string {
			for range 3 {
				w.attempt("locked", "wrong")()
			}
			return w.seeded("locked")()
		},
		"password_expired":     w.seeded("old"),
		"password_must_change": w.seeded("must-change"),
		"login_restricted":     w.seeded("hours"),
	})
}

// And each line of the table of what is answered 503. The last one takes another
// directory.
func TestActiveDirectoryCauses(t *testing.T) {
	t.Parallel()
	w, s := adPage(t)
	other := testbed.StartSlapd(t)
	w.write("wrong", "wrong\n")
	w.write("other", other.BindPassword+"\n")
	w.causes("`login-test` prints ", []func(string) string{
		without("ca_file"),
		replaced("ad-password", "wrong"),
		func(config string) string {
			return without("ca_file")(strings.Replace(config, s.LDAPSURL(), s.URL(), 1))
		},
		replaced(`base_dn: "DC=ad,`, `base_dn: "DC=other,`),
		func(config string) string {
			at := strings.LastIndex(config, `"DC=ad,`)
			return config[:at] + `"DC=other,` + config[at+len(`"DC=ad,`):]
		},
		strings.NewReplacer(s.LDAPSURL(), other.LDAPSURL(), s.CAFile, other.CAFile, "svc-drawbridge@ad.example", other.BindDN,
			"ad-password", "other", "DC=ad,DC=example", other.BaseDN, "sAMAccountName", "uid", "objectClass=user", "objectClass=person").Replace,
	})
}

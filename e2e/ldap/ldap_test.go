package ldap_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/ldap"
	"drawbridge/e2e/testbed"
	"drawbridge/identity"

	"github.com/google/go-cmp/cmp"
)

// settings are the connector settings that fit the test directory.
func settings(s *testbed.Slapd) configs.Connector {
	return configs.Connector{
		Name: "corp", Type: configs.TypeLDAP, Timeout: 8 * time.Second,
		LDAP: configs.LDAP{
			URLs: []string{s.URL()}, BindDN: s.BindDN, BindPassword: identity.NewSecret(s.BindPassword),
			User: configs.LDAPUser{
				BaseDN: s.BaseDN, Filter: "(&(objectClass=inetOrgPerson)(uid={username}))",
				NameAttr: "uid", MailAttr: "mail",
			},
			Groups: configs.LDAPGroups{
				Mode: configs.GroupsSearch, BaseDN: "ou=groups," + s.BaseDN, Filter: "(member={dn})", NameAttr: "cn",
			},
		},
	}
}

// connect makes the connector and closes it with the test.
func connect(t *testing.T, cfg configs.Connector, deps ldap.Deps) *ldap.Connector {
	t.Helper()
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	c, err := ldap.New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func login(c *ldap.Connector, username, password string) connectors.Outcome {
	return c.Authenticate(context.Background(), identity.Credential{Username: username, Password: identity.NewSecret(password)})
}

// mustGrant fails the test unless the login is granted to that person.
func mustGrant(t *testing.T, c *ldap.Connector, username string) identity.Identity {
	t.Helper()
	out := login(c, username, testbed.SeedPassword(username))
	if out.Kind() != connectors.KindGranted || out.Identity().Name != username {
		t.Fatalf("login of %q: got %v", username, out)
	}
	return out.Identity()
}

func mustDeny(t *testing.T, out connectors.Outcome, want connectors.Reason) {
	t.Helper()
	if out.Kind() != connectors.KindDenied || out.Reason() != want {
		t.Errorf("got %v, want denied(%s)", out, want)
	}
}

func mustBe(t *testing.T, out connectors.Outcome, want connectors.Kind) {
	t.Helper()
	if out.Kind() != want {
		t.Errorf("got %v, want %s", out, want)
	}
}

// TestLogins runs the same logins over each transport.
func TestLogins(t *testing.T) {
	s := testbed.StartSlapd(t)
	for _, transport := range []struct {
		name string
		set  func(*configs.LDAP)
	}{
		{"plain", func(*configs.LDAP) {}},
		{"StartTLS", func(l *configs.LDAP) { l.StartTLS, l.CAFile = true, s.CAFile }},
		{"LDAPS", func(l *configs.LDAP) { l.URLs, l.CAFile = []string{s.LDAPSURL()}, s.CAFile }},
	} {
		t.Run(transport.name, func(t *testing.T) {
			cfg := settings(s)
			transport.set(&cfg.LDAP)
			c := connect(t, cfg, ldap.Deps{})
			for _, username := range testbed.SeedPeople() {
				id := mustGrant(t, c, username)
				if id.Kind != identity.User || id.Connector != "corp" || id.Mail != "seed@corp.example" ||
					len(id.StableID) != 72 || id.Method != identity.MethodPassword {
					t.Errorf("%q is %+v", username, id)
				}
				mustDeny(t, login(c, username, "not the password"), connectors.WrongPassword)
			}
			for _, username := range []string{"*", ")(uid=*", "nobody", "alice)(|(uid=*", `al\69ce`, "{username}", "alice*"} {
				mustBe(t, login(c, username, testbed.SeedPassword("alice")), connectors.KindNotMine)
			}
		})
	}
}

// TestRefusedBeforeAnyIO: what must not reach a directory does not.
func TestRefusedBeforeAnyIO(t *testing.T) {
	s := testbed.StartSlapd(t)
	c := connect(t, settings(s), ldap.Deps{})
	mustDeny(t, login(c, "", "pw"), connectors.BadUsername)
	mustDeny(t, login(c, "alice\x00", "pw"), connectors.BadUsername)
	mustDeny(t, login(c, "al\xffice", "pw"), connectors.BadUsername)
	mustDeny(t, login(c, strings.Repeat("a", 1<<20), "pw"), connectors.BadUsername)
	mustDeny(t, login(c, "alice", ""), connectors.BadPassword)
	mustDeny(t, login(c, "alice", testbed.SeedPassword("alice")+"\x00"), connectors.BadPassword)
	mustDeny(t, login(c, "alice", strings.Repeat("a", 1<<20)), connectors.BadPassword)
	mustDeny(t, c.Lookup(t.Context(), "a\x00"), connectors.BadUsername)
	if n := s.Binds() + s.Searches() + s.Connections(); n > 1 { // the test bed's own connection may linger
		t.Errorf("the directory saw %d operations and connections", n)
	}
}

// TestNameIsTheDirectorys: what was typed never becomes the name.
func TestNameIsTheDirectorys(t *testing.T) {
	s := testbed.StartSlapd(t)
	c := connect(t, settings(s), ldap.Deps{})
	for _, typed := range []string{"ALICE", " alice", "alice ", "Alice"} {
		out := login(c, typed, testbed.SeedPassword("alice"))
		if out.Kind() != connectors.KindGranted || out.Identity().Name != "alice" {
			t.Errorf("%q: got %v", typed, out)
		}
	}
}

func TestGroups(t *testing.T) {
	s := testbed.StartSlapd(t)
	groupsDN := "ou=groups," + s.BaseDN
	for _, tt := range []struct {
		name   string
		groups configs.LDAPGroups
		want   map[string][]string
	}{
		{"none", configs.LDAPGroups{Mode: configs.GroupsNone}, map[string][]string{"alice": nil}},
		{"search", configs.LDAPGroups{Mode: configs.GroupsSearch, BaseDN: groupsDN, Filter: "(member={dn})", NameAttr: "cn"},
			map[string][]string{
				"alice": {"payments-dev"}, "jürgen": {"payments-dev"}, "x,y": {"ops"}, "a*b": {"ops"}, "bob (ops)": {"ops"},
				"o'neil": {"ops"}, "carol": {"team"}, "dave": {"loop-a"},
			}},
		{"search by description", configs.LDAPGroups{Mode: configs.GroupsSearch, BaseDN: groupsDN, Filter: "(description={username})", NameAttr: "cn"},
			map[string][]string{"alice": {"payments-dev"}, "bob": nil}},
		{"search, nested", configs.LDAPGroups{Mode: configs.GroupsSearch, BaseDN: groupsDN, Filter: "(member={dn})", NameAttr: "cn", Nested: true},
			map[string][]string{"alice": {"payments-dev"}, "carol": {"dept", "division", "team"}, "dave": {"loop-a", "loop-b"}}},
		{"search, whole DN", configs.LDAPGroups{Mode: configs.GroupsSearch, BaseDN: groupsDN, Filter: "(member={dn})", NameAttr: "dn"},
			map[string][]string{"carol": {s.GroupDN("team")}}},
		{"search, other attribute", configs.LDAPGroups{Mode: configs.GroupsSearch, BaseDN: groupsDN, NameAttr: "businessCategory", Nested: true},
			map[string][]string{"carol": {"Department"}}},
		{"member_of", configs.LDAPGroups{Mode: configs.GroupsMemberOf, NameAttr: "cn"},
			map[string][]string{"alice": {"payments-dev"}, "x,y": {"ops"}, "carol": {"team"}}},
		{"member_of, whole DN", configs.LDAPGroups{Mode: configs.GroupsMemberOf, NameAttr: "dn"},
			map[string][]string{"carol": {s.GroupDN("team")}}},
		{"member_of, read from the entry", configs.LDAPGroups{Mode: configs.GroupsMemberOf, NameAttr: "description"},
			map[string][]string{"alice": {"alice"}}},
		{"member_of, nested", configs.LDAPGroups{Mode: configs.GroupsMemberOf, BaseDN: groupsDN, NameAttr: "cn", Nested: true},
			map[string][]string{"carol": {"dept", "division", "team"}, "dave": {"loop-a", "loop-b"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.Modify(s.GroupDN("payments-dev"), "description", "alice")
			s.Modify(s.GroupDN("dept"), "businessCategory", "Department")
			cfg := settings(s)
			cfg.LDAP.Groups = tt.groups
			c := connect(t, cfg, ldap.Deps{})
			for username, want := range tt.want {
				if diff := cmp.Diff(want, mustGrant(t, c, username).Groups); diff != "" {
					t.Errorf("groups of %s: %s", username, diff)
				}
				if out := c.Lookup(t.Context(), username); !cmp.Equal(out.Identity().Groups, want) || out.Identity().Method != identity.MethodNone {
					t.Errorf("lookup of %s: %v", username, out)
				}
			}
		})
	}
}

// TestPosixGroups: a posixGroup lists its members by name, the directory's and
// not the one that was typed.
func TestPosixGroups(t *testing.T) {
	s := testbed.StartSlapd(t)
	for gid, members := range map[string][]string{"700": {"alice", "a*b", "x,y"}, "701": {"alice"}, "702": {"bob"}} {
		s.Add(s.GroupDN("unix-"+gid), map[string][]string{
			"objectClass": {"posixGroup"}, "cn": {"unix-" + gid}, "gidNumber": {gid}, "memberUid": members,
		})
	}
	cfg := settings(s)
	cfg.LDAP.Groups.Filter = "(&(objectClass=posixGroup)(memberUid={username}))"
	c := connect(t, cfg, ldap.Deps{})
	for username, want := range map[string][]string{
		"alice": {"unix-700", "unix-701"}, "a*b": {"unix-700"}, "x,y": {"unix-700"}, "bob": {"unix-702"}, "carol": nil,
	} {
		if diff := cmp.Diff(want, mustGrant(t, c, username).Groups); diff != "" {
			t.Errorf("groups of %s: %s", username, diff)
		}
	}
	out := login(c, "ALICE", testbed.SeedPassword("alice"))
	if diff := cmp.Diff([]string{"unix-700", "unix-701"}, out.Identity().Groups); diff != "" {
		t.Errorf("typed in capitals: %s", diff)
	}
}

// TestADRuleOnAnotherServer: slapd would answer it with success and no groups,
// and so take everybody's rights away without a word.
func TestADRuleOnAnotherServer(t *testing.T) {
	s := testbed.StartSlapd(t)
	cfg := settings(s)
	cfg.LDAP.Groups = configs.LDAPGroups{Mode: configs.GroupsADNested, BaseDN: s.BaseDN, NameAttr: "cn"}
	c := connect(t, cfg, ldap.Deps{})
	mustBe(t, login(c, "alice", testbed.SeedPassword("alice")), connectors.KindMisconfigured)
	mustBe(t, c.Lookup(t.Context(), "alice"), connectors.KindMisconfigured)
}

// TestNestedCaps: what is over a cap is no answer, rather than a part of one.
func TestNestedCaps(t *testing.T) {
	s := testbed.StartSlapd(t)
	member := s.PersonDN("alice")
	for _, cn := range strings.Split("abcdefghijklmnopqrst", "") {
		member = s.AddGroup("chain-"+cn, member)
	}
	cfg := settings(s)
	cfg.LDAP.Groups.Nested = true
	c := connect(t, cfg, ldap.Deps{})
	mustBe(t, login(c, "alice", testbed.SeedPassword("alice")), connectors.KindUnavailable)
	mustGrant(t, c, "carol")
}

// TestManyGroups: the walk asks in batches and loses none of them.
func TestManyGroups(t *testing.T) {
	s := testbed.StartSlapd(t)
	const n = 120
	for i := range n {
		name := string(rune('a'+i/26)) + string(rune('a'+i%26))
		s.AddGroup("outer-"+name, s.AddGroup("inner-"+name, s.PersonDN("alice")))
	}
	cfg := settings(s)
	cfg.LDAP.Groups.Nested = true
	id := mustGrant(t, connect(t, cfg, ldap.Deps{}), "alice")
	if len(id.Groups) != 2*n+1 {
		t.Errorf("got %d groups, want %d", len(id.Groups), 2*n+1)
	}
}

func TestAmbiguousUsernameIsDenied(t *testing.T) {
	s := testbed.StartSlapd(t)
	for i, ou := range []string{"contractors", "services"} {
		s.Add("uid=alice,ou="+ou+","+s.BaseDN, map[string][]string{
			"objectClass": {"inetOrgPerson"}, "uid": {"alice"}, "cn": {"Other"}, "sn": {"Other"}, "userPassword": {"other"},
		})
		// Two entries are counted here; with three the server says sizeLimitExceeded.
		c := connect(t, settings(s), ldap.Deps{})
		for _, password := range []string{"other", testbed.SeedPassword("alice"), "wrong"} {
			mustDeny(t, login(c, "alice", password), connectors.Ambiguous)
		}
		mustGrant(t, c, "bob")
		if i == 0 && s.Binds() == 0 {
			t.Error("the log does not count")
		}
	}
}

// TestOurFaultIsMisconfigured: the settings are to blame, and never the caller.
func TestOurFaultIsMisconfigured(t *testing.T) {
	s := testbed.StartSlapd(t)
	for name, spoil := range map[string]func(*configs.LDAP){
		"service password": func(l *configs.LDAP) { l.BindPassword = identity.NewSecret("wrong") },
		"service DN":       func(l *configs.LDAP) { l.BindDN = "cn=nobody," + s.BaseDN },
		"base DN":          func(l *configs.LDAP) { l.User.BaseDN = "ou=nowhere," + s.BaseDN },
		"name attribute":   func(l *configs.LDAP) { l.User.NameAttr = "telephoneNumber" },
		"no service account, no anonymous reading": func(l *configs.LDAP) {
			l.BindDN, l.BindPassword = "", identity.Secret{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := settings(s)
			spoil(&cfg.LDAP)
			mustBe(t, login(connect(t, cfg, ldap.Deps{}), "alice", testbed.SeedPassword("alice")), connectors.KindMisconfigured)
		})
	}
}

func TestAnonymousSearch(t *testing.T) {
	s := testbed.StartSlapd(t, testbed.AnonymousRead())
	cfg := settings(s)
	cfg.LDAP.BindDN, cfg.LDAP.BindPassword = "", identity.Secret{}
	mustGrant(t, connect(t, cfg, ldap.Deps{}), "alice")
}

// TestGroupsThatCannotBeFoundAreNoEmptySet: groups take rights away as well.
func TestGroupsThatCannotBeFoundAreNoEmptySet(t *testing.T) {
	s := testbed.StartSlapd(t)
	cfg := settings(s)
	cfg.LDAP.Groups.BaseDN = "ou=nowhere," + s.BaseDN
	mustBe(t, login(connect(t, cfg, ldap.Deps{}), "alice", testbed.SeedPassword("alice")), connectors.KindUnavailable)
}

// TestAccountStates: the right and the wrong password of accounts that may not
// log in. slapd tells a locked or expired account by the control only.
func TestAccountStates(t *testing.T) {
	s := testbed.StartSlapd(t)
	c := connect(t, settings(s), ldap.Deps{})
	s.AddPerson(testbed.Person{UID: "reset", Policy: testbed.PolicyStrict, MustChange: true})
	mustDeny(t, login(c, "reset", testbed.SeedPassword("reset")), connectors.MustChange)
	mustDeny(t, login(c, "reset", "wrong"), connectors.WrongPassword)

	s.AddPerson(testbed.Person{UID: "locked", Policy: testbed.PolicyStrict})
	mustGrant(t, c, "locked")
	for range 3 {
		mustDeny(t, login(c, "locked", "wrong"), connectors.WrongPassword)
	}
	mustDeny(t, login(c, "locked", testbed.SeedPassword("locked")), connectors.AccountLocked)
	mustDeny(t, login(c, "locked", "wrong"), connectors.AccountLocked)

	s.AddPerson(testbed.Person{UID: "expired", Policy: testbed.PolicyExpiring})
	var out connectors.Outcome
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if out = login(c, "expired", testbed.SeedPassword("expired")); out.Kind() == connectors.KindDenied {
			break
		}
	}
	mustDeny(t, out, connectors.PasswordExpired)

	s.AddPerson(testbed.Person{UID: "barred"})
	mustGrant(t, c, "barred")
	s.Modify(s.PersonDN("barred"), "pwdAccountLockedTime", "000001010000Z")
	mustDeny(t, c.Lookup(t.Context(), "barred"), connectors.AccountLocked)
	mustDeny(t, login(c, "barred", testbed.SeedPassword("barred")), connectors.AccountLocked)

	dn := s.AddPerson(testbed.Person{UID: "passwordless"})
	s.Modify(dn, "userPassword")
	if out := login(c, "passwordless", testbed.SeedPassword("passwordless")); out.Kind() != connectors.KindDenied {
		t.Errorf("an account without a password: got %v", out)
	}
	mustGrant(t, c, "alice")
}

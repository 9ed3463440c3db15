package ad_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/ldap"
	"drawbridge/e2e/testbed"
	"drawbridge/identity"
)

// TestLogins: every person by both names, over each transport; one filter serves
// both, and the name that a policy sees is the same.
func TestLogins(t *testing.T) {
	s := testbed.StartSamba(t)
	for _, transport := range []struct {
		name string
		set  func(*configs.LDAP)
	}{
		{"LDAPS", func(*configs.LDAP) {}},
		{"StartTLS", func(l *configs.LDAP) { l.URLs, l.StartTLS = []string{s.URL()}, true }},
		{"plain", func(l *configs.LDAP) { l.URLs, l.CAFile = []string{s.URL()}, "" }},
		{"global catalog", func(l *configs.LDAP) { l.URLs, l.CAFile = []string{s.GlobalCatalogURL()}, "" }},
		{"service account by userPrincipalName", func(l *configs.LDAP) { l.BindDN = s.BindUPN }},
	} {
		t.Run(transport.name, func(t *testing.T) {
			cfg := settings(s)
			transport.set(&cfg.LDAP)
			c := connect(t, cfg, ldap.Deps{})
			for _, account := range testbed.SambaPeople() {
				for _, typed := range []string{account, account + "@ad.example", strings.ToUpper(account) + "@AD.EXAMPLE"} {
					id := mustGrant(t, c, typed, account)
					if id.Connector != "corp" || id.Mail != "seed@ad.example" || id.Method != identity.MethodPassword {
						t.Errorf("%q is %+v", typed, id)
					}
					mustDeny(t, login(c, typed, "not the password"), connectors.WrongPassword)
				}
			}
		})
	}
}

// TestUnknownUserIsNotMine: names of nobody, and names that try to be more than
// a name.
func TestUnknownUserIsNotMine(t *testing.T) {
	s := testbed.StartSamba(t)
	c := connect(t, settings(s), ldap.Deps{})
	for _, username := range []string{
		"nobody", "nobody@ad.example", "alice@other.example", "alice@", "@ad.example", "*", "alice*", "*@ad.example",
		")(sAMAccountName=*", "alice)(|(objectClass=*", `al\69ce`, "{username}", "AD\\alice", "payments-dev",
		s.DN("alice"), "CN=alice", "dc1", "alice\n", "jürgen\u0301",
	} {
		mustBe(t, login(c, username, testbed.SeedPassword("alice")), connectors.KindNotMine)
		mustBe(t, c.Lookup(t.Context(), username), connectors.KindNotMine)
	}
	mustDeny(t, login(c, "alice", ""), connectors.BadPassword)
	mustDeny(t, login(c, "", testbed.SeedPassword("alice")), connectors.BadUsername)
}

// TestTwoPeopleBehindOneName: where the filter takes a name that people may
// choose, one who takes another's makes it useless instead of taking it over. Of
// sAMAccountName and userPrincipalName the directory itself sees that they differ.
func TestTwoPeopleBehindOneName(t *testing.T) {
	s := testbed.StartSamba(t)
	s.Modify(s.DN("bob"), "mail", "alice")
	cfg := settings(s)
	cfg.LDAP.User.Filter = "(|(sAMAccountName={username})(mail={username}))"
	c := connect(t, cfg, ldap.Deps{})
	for _, password := range []string{testbed.SeedPassword("alice"), testbed.SeedPassword("bob"), "wrong"} {
		mustDeny(t, login(c, "alice", password), connectors.Ambiguous)
		mustDeny(t, login(c, "seed@ad.example", password), connectors.Ambiguous) // all the others
	}
	mustGrant(t, c, "bob", "bob")
	mustGrant(t, connect(t, settings(s), ldap.Deps{}), "alice", "alice")
}

// TestStableID: the object GUID, as raw bytes, stays through a rename of
// everything else; a person who is made anew under the old name is another one.
func TestStableID(t *testing.T) {
	s := testbed.StartSamba(t)
	c := connect(t, settings(s), ldap.Deps{})
	before := mustGrant(t, c, "alice", "alice")
	guid := s.Account("alice", "objectGUID").GetRawAttributeValue("objectGUID")
	if len(guid) != 16 || before.StableID != hex.EncodeToString(guid) {
		t.Errorf("the stable ID is %q, the object GUID %x", before.StableID, guid)
	}
	dn := s.Rename(s.DN("alice"), "Doe, Älice (Ops)")
	s.Modify(dn, "userPrincipalName", "a.doe@ad.example")
	s.Modify(dn, "sAMAccountName", "adoe")
	out := login(c, "a.doe@ad.example", testbed.SeedPassword("alice"))
	if out.Kind() != connectors.KindGranted || out.Identity().Name != "adoe" || out.Identity().StableID != before.StableID {
		t.Errorf("after the rename: got %v with stable ID %q, want %q", out, out.Identity().StableID, before.StableID)
	}
	mustBe(t, login(c, "alice", testbed.SeedPassword("alice")), connectors.KindNotMine)
	s.AddUser("alice")
	if after := mustGrant(t, c, "alice", "alice"); after.StableID == before.StableID {
		t.Error("another person of the same name has the same stable ID")
	}
}

// TestSecondControllerGivesTheSameID: the ID is the domain's and not a server's.
func TestSecondControllerGivesTheSameID(t *testing.T) {
	ids := map[string]bool{}
	for range 2 {
		ids[mustGrant(t, connect(t, settings(testbed.StartSamba(t)), ldap.Deps{}), "alice", "alice").StableID] = true
	}
	if len(ids) != 1 {
		t.Errorf("got %v", ids)
	}
}

// TestEveryNameInADN: common names with all that a DN must escape, as the DN of a
// bind and as a member of groups.
func TestEveryNameInADN(t *testing.T) {
	s := testbed.StartSamba(t)
	cfg := settings(s)
	c := connect(t, cfg, ldap.Deps{})
	cfg.LDAP.Groups.Mode = configs.GroupsMemberOf
	byMemberOf := connect(t, cfg, ldap.Deps{})
	group := s.DN("team")
	for _, cn := range []string{
		"Müller, Jürgen (Ops)", "a+b=c", `"quoted"`, "<angle>;#", "#hash", "star*", " spaces ", "日本 太郎", "a/b",
	} {
		dn := s.Rename(s.DN("carol"), cn)
		s.Modify(group, "member", dn)
		for _, c := range []*ldap.Connector{c, byMemberOf} {
			if id := mustGrant(t, c, "carol", "carol"); len(id.Groups) != 1 || id.Groups[0] != "team" {
				t.Errorf("%q has the groups %q", cn, id.Groups)
			}
		}
		group = s.Rename(group, cn+"!")
		for _, c := range []*ldap.Connector{c, byMemberOf} {
			if id := mustGrant(t, c, "carol", "carol"); len(id.Groups) != 1 || id.Groups[0] != strings.TrimSpace(cn)+"!" && id.Groups[0] != cn+"!" {
				t.Errorf("the group %q is called %q", cn+"!", id.Groups)
			}
		}
		group = s.Rename(group, "team")
	}
}

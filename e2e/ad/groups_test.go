package ad_test

import (
	"strings"
	"testing"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/ldap"
	"drawbridge/e2e/testbed"
	"drawbridge/identity"

	"github.com/google/go-cmp/cmp"
)

// TestGroups: every mode, direct and nested, at login and without a password.
func TestGroups(t *testing.T) {
	s := testbed.StartSamba(t)
	direct := map[string][]string{
		"alice": {"payments-dev"}, "jürgen": {"payments-dev", "Übersetzer (EU)"}, "o'neil": {"Übersetzer (EU)"},
		"carol": {"team"}, "dave": {"loop-a"},
	}
	nested := map[string][]string{
		"alice": {"payments-dev"}, "bob (ops)": {"Übersetzer (EU)"},
		"carol": {"dept", "division", "team"}, "dave": {"loop-a", "loop-b"},
	}
	wholeDN := map[string][]string{
		"carol": {s.DN("team")}, "jürgen": {s.DN("payments-dev"), s.DN("Übersetzer (EU)")},
	}
	for _, tt := range []struct {
		name   string
		groups configs.LDAPGroups
		want   map[string][]string
	}{
		{"none", configs.LDAPGroups{Mode: configs.GroupsNone}, map[string][]string{"alice": nil}},
		{"search", configs.LDAPGroups{Mode: configs.GroupsSearch, BaseDN: s.BaseDN, Filter: "(&(objectClass=group)(member={dn}))", NameAttr: "cn"}, direct},
		{"search, whole DN", configs.LDAPGroups{Mode: configs.GroupsSearch, BaseDN: s.BaseDN, NameAttr: "dn"}, wholeDN},
		{"search, nested", configs.LDAPGroups{Mode: configs.GroupsSearch, BaseDN: s.BaseDN, NameAttr: "sAMAccountName", Nested: true}, nested},
		{"member_of", configs.LDAPGroups{Mode: configs.GroupsMemberOf, NameAttr: "cn"}, direct},
		{"member_of, whole DN", configs.LDAPGroups{Mode: configs.GroupsMemberOf, NameAttr: "dn"}, wholeDN},
		{"member_of, read from the entry", configs.LDAPGroups{Mode: configs.GroupsMemberOf, NameAttr: "sAMAccountName"}, direct},
		{"member_of, nested", configs.LDAPGroups{Mode: configs.GroupsMemberOf, BaseDN: s.BaseDN, NameAttr: "cn", Nested: true}, nested},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := settings(s)
			cfg.LDAP.Groups = tt.groups
			c := connect(t, cfg, ldap.Deps{})
			for account, want := range tt.want {
				if diff := cmp.Diff(want, mustGrant(t, c, account, account).Groups); diff != "" {
					t.Errorf("groups of %s: %s", account, diff)
				}
				out := c.Lookup(t.Context(), account+"@ad.example")
				if !cmp.Equal(out.Identity().Groups, want) || out.Identity().Method != identity.MethodNone {
					t.Errorf("lookup of %s: %v with groups %q", account, out, out.Identity().Groups)
				}
			}
		})
	}
}

// TestRootSearchWithReferral: a search from the domain's root brings its results
// and a pointer to another partition, which is not followed: its host does not
// exist, and asking it would cost the login its time.
func TestRootSearchWithReferral(t *testing.T) {
	s := testbed.StartSamba(t)
	refs := s.Referrals()
	if len(refs) == 0 || !strings.Contains(refs[0], "://ad.example/CN=Configuration,") {
		t.Fatalf("a root search refers to %q: nothing is tested here", refs)
	}
	root := connect(t, settings(s), ldap.Deps{})
	cfg := settings(s)
	cfg.LDAP.User.BaseDN, cfg.LDAP.Groups.BaseDN = "CN=Users,"+s.BaseDN, "CN=Users,"+s.BaseDN
	below := connect(t, cfg, ldap.Deps{})
	for _, c := range []*ldap.Connector{root, below} {
		if diff := cmp.Diff([]string{"payments-dev"}, mustGrant(t, c, "alice", "alice").Groups); diff != "" {
			t.Error(diff)
		}
		mustBe(t, login(c, "nobody", "wrong"), connectors.KindNotMine)
	}
}

// TestReferralInsteadOfAnAnswer: a base DN of another domain is the settings'
// fault: the referral is not followed, and is no "nobody of that name".
func TestReferralInsteadOfAnAnswer(t *testing.T) {
	s := testbed.StartSamba(t)
	for _, base := range []string{"DC=other,DC=example", "OU=nowhere," + s.BaseDN} {
		cfg := settings(s)
		cfg.LDAP.User.BaseDN = base
		mustBe(t, login(connect(t, cfg, ldap.Deps{}), "alice", testbed.SeedPassword("alice")), connectors.KindMisconfigured)
		cfg = settings(s)
		cfg.LDAP.Groups.BaseDN = base
		mustBe(t, login(connect(t, cfg, ldap.Deps{}), "alice", testbed.SeedPassword("alice")), connectors.KindUnavailable)
	}
}

// TestGroupChangesAreSeen: somebody is put into a group and taken out again, by a
// group above the own one too.
func TestGroupChangesAreSeen(t *testing.T) {
	s := testbed.StartSamba(t)
	cfg := settings(s)
	cfg.LDAP.Groups.Nested = true
	c := connect(t, cfg, ldap.Deps{})
	for _, step := range []struct {
		change []string
		want   []string
	}{
		{[]string{"addmembers", "team", "alice"}, []string{"dept", "division", "payments-dev", "team"}},
		{[]string{"removemembers", "division", "dept"}, []string{"dept", "payments-dev", "team"}},
		{[]string{"removemembers", "team", "alice"}, []string{"payments-dev"}},
		{[]string{"delete", "payments-dev"}, nil},
	} {
		s.Tool(append([]string{"group"}, step.change...)...)
		if diff := cmp.Diff(step.want, mustGrant(t, c, "alice", "alice").Groups); diff != "" {
			t.Errorf("after %q: %s", step.change, diff)
		}
	}
}

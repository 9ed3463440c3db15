package ad_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"drawbridge/cache"
	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/ldap"
	"drawbridge/e2e/testbed"

	"github.com/google/go-cmp/cmp"
)

// adNested are settings that leave the nested groups to the directory.
func adNested(s *testbed.Samba) configs.Connector {
	cfg := settings(s)
	cfg.LDAP.Groups = configs.LDAPGroups{Mode: configs.GroupsADNested, BaseDN: s.BaseDN, NameAttr: "cn"}
	return cfg
}

// TestADNested: direct and nested groups, circles, the primary group and what
// that one is in. Samba puts Domain Users into Users.
func TestADNested(t *testing.T) {
	s := testbed.StartSamba(t)
	s.AddGroup("everybody", s.DN("Domain Users"))
	common := []string{"Domain Users", "Users", "everybody"}
	c := connect(t, adNested(s), ldap.Deps{})
	for account, own := range map[string][]string{
		"alice": {"payments-dev"}, "jürgen": {"payments-dev", "Übersetzer (EU)"}, "bob (ops)": {"Übersetzer (EU)"},
		"carol": {"team", "dept", "division"}, "dave": {"loop-a", "loop-b"},
	} {
		want := slices.Sorted(slices.Values(append(own, common...)))
		if diff := cmp.Diff(want, mustGrant(t, c, account, account).Groups); diff != "" {
			t.Errorf("groups of %s: %s", account, diff)
		}
		if diff := cmp.Diff(want, c.Lookup(t.Context(), account+"@ad.example").Identity().Groups); diff != "" {
			t.Errorf("lookup of %s: %s", account, diff)
		}
	}
}

// TestPrimaryGroup: another primary group takes effect, also after the group was
// renamed or is not where groups are searched. A primary group lists nobody as
// its member.
func TestPrimaryGroup(t *testing.T) {
	s := testbed.StartSamba(t)
	s.Tool("group", "addmembers", "division", "alice")
	s.Tool("user", "setprimarygroup", "alice", "division")
	s.AddGroup("above", s.DN("division"))
	c := connect(t, adNested(s), ldap.Deps{})
	// Domain Users has become an ordinary group of hers.
	want := []string{"Domain Users", "Users", "above", "division", "payments-dev"}
	if diff := cmp.Diff(want, mustGrant(t, c, "alice", "alice").Groups); diff != "" {
		t.Error(diff)
	}
	s.Rename(s.DN("division"), "Abteilung (Süd)")
	want = []string{"Abteilung (Süd)", "Domain Users", "Users", "above", "payments-dev"}
	if diff := cmp.Diff(want, mustGrant(t, c, "alice", "alice").Groups); diff != "" {
		t.Errorf("after the rename: %s", diff)
	}
	cfg := adNested(s)
	cfg.LDAP.Groups.BaseDN = "CN=Builtin," + s.BaseDN
	if diff := cmp.Diff([]string{"Users"}, mustGrant(t, connect(t, cfg, ldap.Deps{}), "alice", "alice").Groups); diff != "" {
		t.Errorf("the primary group is elsewhere: %s", diff)
	}
	// It is elsewhere, and a member of a group that is searched.
	cfg.LDAP.Groups.BaseDN = s.DN("above")
	if diff := cmp.Diff([]string{"above"}, mustGrant(t, connect(t, cfg, ldap.Deps{}), "alice", "alice").Groups); diff != "" {
		t.Errorf("a group of the primary group, which is elsewhere: %s", diff)
	}
}

// TestThousandsOfGroups: somebody in 2,000 groups, more than a page of
// a search holds, has them all in every mode, and nobody else has them.
func TestThousandsOfGroups(t *testing.T) {
	const n = 2000
	s := testbed.StartSamba(t)
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("g%04d", i)
	}
	s.AddGroups(names, s.DN("alice"))
	for _, groups := range []configs.LDAPGroups{
		{Mode: configs.GroupsMemberOf, NameAttr: "cn"},
		{Mode: configs.GroupsSearch, BaseDN: s.BaseDN, NameAttr: "cn"},
		{Mode: configs.GroupsADNested, BaseDN: s.BaseDN, NameAttr: "cn"},
	} {
		t.Run(groups.Mode, func(t *testing.T) {
			cfg := settings(s)
			cfg.LDAP.Groups = groups
			cfg.Timeout = 2 * time.Minute // Samba reads every entry for the rule of ad_nested
			c := connect(t, cfg, ldap.Deps{})
			start := time.Now()
			groups := mustGrant(t, c, "alice", "alice").Groups
			t.Logf("%d groups in %s", len(groups), time.Since(start).Round(time.Millisecond))
			for _, want := range append(slices.Clone(names), "payments-dev") {
				if _, found := slices.BinarySearch(groups, want); !found {
					t.Fatalf("%s is missing among %d groups", want, len(groups))
				}
			}
			if others := mustGrant(t, c, "bob", "bob").Groups; !slices.Contains(others, "payments-dev") || len(others) > 3 {
				t.Errorf("bob has the groups %q", others)
			}
		})
	}
}

// TestStateWithoutPassword: a lookup refuses who may not log in, so that a refresh
// token does not outlive the account, and says why.
func TestStateWithoutPassword(t *testing.T) {
	s := testbed.StartSamba(t)
	setLockout(s)
	s.Tool("domain", "passwordsettings", "set", "--max-pwd-age=900")
	s.AddUser("old-password")
	s.OldPassword("old-password")
	s.AddUser("locked")
	c := connect(t, settings(s), ldap.Deps{Lookups: cache.NewMemory(1<<20, time.Now), LookupTTL: time.Hour})
	for range 3 {
		mustBe(t, login(c, "locked", "wrong"), connectors.KindDenied)
	}
	for account, want := range map[string]connectors.Reason{
		"disabled": connectors.AccountDisabled, "expired": connectors.AccountExpired, "locked": connectors.AccountLocked,
		"must-change": connectors.MustChange, "old-password": connectors.PasswordExpired,
	} {
		mustDeny(t, c.Lookup(t.Context(), account), want)
		mustDeny(t, c.Lookup(t.Context(), account+"@ad.example"), want)
		mustDeny(t, login(c, account, testbed.SeedPassword(account)), want)
	}
	for _, account := range testbed.SambaPeople() {
		mustBe(t, c.Lookup(t.Context(), account), connectors.KindGranted)
	}
	for _, step := range []struct {
		change []string
		want   connectors.Kind
	}{
		{[]string{"disable", "alice"}, connectors.KindDenied},
		{[]string{"enable", "alice"}, connectors.KindGranted},
		{[]string{"setexpiry", "alice", "--days=0"}, connectors.KindDenied},
		{[]string{"setexpiry", "alice", "--days=1"}, connectors.KindGranted},
		{[]string{"unlock", "locked"}, connectors.KindGranted},
		{[]string{"delete", "alice"}, connectors.KindNotMine},
	} {
		s.Tool(append([]string{"user"}, step.change...)...)
		if out := c.Lookup(t.Context(), step.change[1]); out.Kind() != step.want {
			t.Errorf("after %q: got %v, want %s", step.change, out, step.want)
		}
	}
	mustGrant(t, c, "locked", "locked")
}

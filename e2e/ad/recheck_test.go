package ad_test

import (
	"testing"

	"drawbridge/connectors"
	"drawbridge/connectors/ldap"
	"drawbridge/e2e/testbed"
	"drawbridge/identity"
)

// TestRecheck: a person of Active Directory is found again by objectGUID, and a new
// password, a disabled account and a deleted one are noticed.
func TestRecheck(t *testing.T) {
	s := testbed.StartSamba(t)
	setLockout(s)
	for _, name := range []string{"erin", "frank", "grace"} {
		s.AddUser(name)
	}
	c := connect(t, settings(s), ldap.Deps{})
	begin := func(typed, account, password string) func() connectors.Outcome {
		t.Helper()
		out := c.Authenticate(t.Context(), identity.Credential{Username: typed, Password: identity.NewSecret(password), Fresh: true})
		version, ok := out.Version()
		if out.Kind() != connectors.KindGranted || !ok || version == "" || len(out.Identity().StableID) != 32 {
			t.Fatalf("login of %s: %v, version %q, stable ID %q", account, out, version, out.Identity().StableID)
		}
		return func() connectors.Outcome { return c.Recheck(t.Context(), out.Identity(), version) }
	}
	erin := begin("erin@ad.example", "erin", testbed.SeedPassword("erin"))
	mustBe(t, erin(), connectors.KindGranted)
	s.Tool("user", "rename", "erin", "--samaccountname=erin.b", "--upn=erin.b@ad.example", "--force-new-cn=erin.b")
	if out := erin(); out.Kind() != connectors.KindGranted || out.Identity().Name != "erin.b" {
		t.Errorf("renamed: %v", out)
	}
	s.AddUser("erin")
	if out := erin(); out.Kind() != connectors.KindGranted || out.Identity().Name != "erin.b" {
		t.Errorf("renamed, and somebody else has the name: %v", out)
	}
	s.Tool("user", "disable", "erin.b")
	mustDeny(t, erin(), connectors.AccountDisabled)
	s.Tool("user", "enable", "erin.b")
	mustBe(t, erin(), connectors.KindGranted)
	s.Tool("user", "delete", "erin.b")
	mustBe(t, erin(), connectors.KindNotMine)

	frank := begin("frank", "frank", testbed.SeedPassword("frank"))
	s.Tool("user", "setpassword", "frank", "--newpassword=another-Passw0rd")
	mustDeny(t, frank(), connectors.PasswordChanged)
	mustBe(t, begin("frank", "frank", "another-Passw0rd")(), connectors.KindGranted)

	// Anybody can lock an account; that is no reason to end its sessions for good.
	grace := begin("grace", "grace", testbed.SeedPassword("grace"))
	for range 3 {
		login(c, "grace", "wrong")
	}
	mustDeny(t, grace(), connectors.AccountLocked)
}

package ldap_test

import (
	"context"
	"testing"
	"time"

	"drawbridge/connectors"
	"drawbridge/connectors/ldap"
	"drawbridge/e2e/testbed"
	"drawbridge/identity"

	"github.com/google/go-cmp/cmp"
)

// loggedIn is somebody who logged in for longer.
type loggedIn struct {
	id      identity.Identity
	version string
}

func begin(t *testing.T, c *ldap.Connector, username, password string) loggedIn {
	t.Helper()
	out := c.Authenticate(t.Context(), identity.Credential{Username: username, Password: identity.NewSecret(password), Fresh: true})
	version, ok := out.Version()
	if out.Kind() != connectors.KindGranted || !ok {
		t.Fatalf("login of %s: %v, re-checks: %v", username, out, ok)
	}
	return loggedIn{out.Identity(), version}
}

func (l loggedIn) recheck(c *ldap.Connector) connectors.Outcome {
	return c.Recheck(context.Background(), l.id, l.version)
}

// TestRecheck: who is still there, who is not, and who only seems to be.
func TestRecheck(t *testing.T) {
	s := testbed.StartSlapd(t)
	c := connect(t, settings(s), ldap.Deps{})
	alice := begin(t, c, "alice", testbed.SeedPassword("alice"))

	out := alice.recheck(c)
	want := alice.id
	want.Method = identity.MethodNone
	if diff := cmp.Diff(want, out.Identity()); out.Kind() != connectors.KindGranted || diff != "" {
		t.Fatalf("%v %s", out, diff)
	}
	s.AddGroup("new-group", s.PersonDN("alice"))
	if diff := cmp.Diff([]string{"new-group", "payments-dev"}, alice.recheck(c).Identity().Groups); diff != "" {
		t.Error(diff)
	}

	s.Rename(s.PersonDN("alice"), "uid=alice.b")
	s.Modify(s.PersonDN("alice.b"), "uid", "alice.b")
	if out := alice.recheck(c); out.Kind() != connectors.KindGranted || out.Identity().Name != "alice.b" {
		t.Errorf("renamed: %v", out)
	}
	s.AddPerson(testbed.Person{UID: "alice"}) // a namesake
	if out := alice.recheck(c); out.Kind() != connectors.KindGranted || out.Identity().Name != "alice.b" {
		t.Errorf("renamed, and somebody else has the name: %v", out)
	}
	s.Move(s.PersonDN("alice.b"), "uid=alice.b", "ou=contractors,"+s.BaseDN)
	mustBe(t, alice.recheck(c), connectors.KindGranted)
	s.Delete("uid=alice.b,ou=contractors," + s.BaseDN)
	mustBe(t, alice.recheck(c), connectors.KindNotMine)

	bob := begin(t, c, "bob", testbed.SeedPassword("bob"))
	s.Delete(s.PersonDN("bob"))
	s.AddPerson(testbed.Person{UID: "bob"}) // with the same password, too
	mustBe(t, bob.recheck(c), connectors.KindNotMine)

	carol := begin(t, c, "carol", testbed.SeedPassword("carol"))
	s.Modify(s.PersonDN("carol"), "pwdAccountLockedTime", "000001010000Z")
	mustDeny(t, carol.recheck(c), connectors.AccountDisabled)
	s.Stop()
	mustBe(t, carol.recheck(c), connectors.KindUnavailable)
	s.Start()
	mustDeny(t, carol.recheck(c), connectors.AccountDisabled)
}

// TestRecheckRespectsTheFilter: somebody whom user.filter no longer lets in is gone,
// by whichever name and ID.
func TestRecheckRespectsTheFilter(t *testing.T) {
	s := testbed.StartSlapd(t)
	cfg := settings(s)
	cfg.LDAP.User.Filter = "(&(employeeType=staff)(mail={username}))" // not by the canonical name
	c := connect(t, cfg, ldap.Deps{})
	dn := s.AddPerson(testbed.Person{UID: "erin", Mail: "erin@corp.example", Attributes: map[string][]string{"employeeType": {"staff"}}})
	erin := begin(t, c, "erin@corp.example", testbed.SeedPassword("erin"))
	if out := erin.recheck(c); out.Kind() != connectors.KindGranted || out.Identity().Name != "erin" {
		t.Errorf("found by another attribute than the name: %v", out)
	}
	s.Modify(dn, "employeeType", "alumni")
	mustBe(t, erin.recheck(c), connectors.KindNotMine)
}

// TestRecheckNoticesAChangedPassword, however the change was made.
func TestRecheckNoticesAChangedPassword(t *testing.T) {
	s := testbed.StartSlapd(t)
	c := connect(t, settings(s), ldap.Deps{Lookups: newMapCache(), LookupTTL: time.Minute})
	first := begin(t, c, "alice", testbed.SeedPassword("alice"))
	mustBe(t, first.recheck(c), connectors.KindGranted)

	s.Modify(s.PersonDN("alice"), "mail", "other@corp.example") // no password
	mustBe(t, first.recheck(c), connectors.KindGranted)

	s.Modify(s.PersonDN("alice"), "userPassword", "second")
	mustDeny(t, first.recheck(c), connectors.PasswordChanged)

	second := begin(t, c, "alice", "second")
	mustBe(t, second.recheck(c), connectors.KindGranted)
	mustDeny(t, first.recheck(c), connectors.PasswordChanged)
}

// TestLoginReadsTheVersionAnew: a login with a new password is not tied to what the
// lookup cache has of the time before, and so outlives its first re-check.
func TestLoginReadsTheVersionAnew(t *testing.T) {
	s := testbed.StartSlapd(t)
	c := connect(t, settings(s), ldap.Deps{Lookups: newMapCache(), LookupTTL: time.Minute})
	other := connect(t, settings(s), ldap.Deps{})
	mustGrant(t, c, "alice")
	s.Modify(s.PersonDN("alice"), "userPassword", "second")
	alice := begin(t, c, "alice", "second")
	for _, at := range []*ldap.Connector{c, other} {
		mustBe(t, alice.recheck(at), connectors.KindGranted)
	}
	// What was verified against a lookup of some time ago is nothing to begin with.
	if _, ok := login(c, "alice", "second").Version(); ok {
		t.Error("a login by a cached lookup has a version")
	}
}

// TestWhatARecheckCosts: a search and one for the groups, and no bind; a person who was
// renamed costs one more. It saves the next login its searches.
func TestWhatARecheckCosts(t *testing.T) {
	s := testbed.StartSlapd(t)
	c := connect(t, settings(s), ldap.Deps{Lookups: newMapCache(), LookupTTL: time.Minute})
	alice := begin(t, c, "alice", testbed.SeedPassword("alice"))
	for _, step := range []struct {
		name     string
		before   func()
		searches int
	}{
		{"of somebody the login has cached", func() {}, 2},
		{"again", func() {}, 2},
		{"renamed", func() {
			s.Rename(s.PersonDN("alice"), "uid=alice.b")
			s.Modify(s.PersonDN("alice.b"), "uid", "alice.b")
		}, 3},
	} {
		step.before()
		binds, searches := cost(s, func() { mustBe(t, alice.recheck(c), connectors.KindGranted) })
		if binds != 0 || searches != step.searches {
			t.Errorf("%s: %d binds and %d searches, want %d searches", step.name, binds, searches, step.searches)
		}
	}
	bob := begin(t, c, "bob", testbed.SeedPassword("bob"))
	s.AddGroup("new-group", s.PersonDN("bob"))
	mustBe(t, bob.recheck(c), connectors.KindGranted)
	binds, searches := cost(s, func() {
		if diff := cmp.Diff([]string{"new-group", "payments-dev"}, mustGrant(t, c, "bob").Groups); diff != "" {
			t.Error(diff)
		}
	})
	if binds != 1 || searches != 0 {
		t.Errorf("a login after it: %d binds and %d searches", binds, searches)
	}
}

package ad_test

import (
	"testing"
	"time"

	"drawbridge/cache"
	"drawbridge/connectors"
	"drawbridge/connectors/ldap"
	"drawbridge/e2e/testbed"
)

// lockoutThreshold is how many wrong passwords lock an account in these tests.
const lockoutThreshold = "3"

// setLockout makes the domain count wrong passwords, and lock.
func setLockout(s *testbed.Samba) {
	s.Tool("domain", "passwordsettings", "set", "--account-lockout-threshold="+lockoutThreshold,
		"--account-lockout-duration=30", "--reset-account-lockout-after=30")
}

// TestAccountStates: the right and the wrong password of accounts in each state,
// by both names. The reason is for the audit log; it tells the state of an account
// with a wrong password too, as far as the person's entry shows it.
func TestAccountStates(t *testing.T) {
	s := testbed.StartSamba(t)
	setLockout(s)
	s.Modify(s.AddUser("hours"), "logonHours", string(make([]byte, 21))) // one bit for each hour of the week
	s.Modify(s.AddUser("workstation"), "userWorkstations", "PC1")
	s.AddUser("old-password")
	s.Tool("domain", "passwordsettings", "set", "--max-pwd-age=900")
	s.OldPassword("old-password")
	s.AddUser("locked")
	c := connect(t, settings(s), ldap.Deps{})
	for range 3 {
		mustDeny(t, login(c, "locked", "wrong"), connectors.WrongPassword)
	}
	for _, tt := range []struct {
		account      string
		right, wrong connectors.Reason
	}{
		{"disabled", connectors.AccountDisabled, connectors.AccountDisabled},
		{"expired", connectors.AccountExpired, connectors.AccountExpired},
		{"must-change", connectors.MustChange, connectors.MustChange},
		{"locked", connectors.AccountLocked, connectors.AccountLocked},
		{"old-password", connectors.PasswordExpired, connectors.PasswordExpired},
		{"hours", connectors.LoginRestricted, connectors.WrongPassword},
		{"workstation", connectors.LoginRestricted, connectors.WrongPassword},
	} {
		t.Run(tt.account, func(t *testing.T) {
			for _, typed := range []string{tt.account, tt.account + "@ad.example"} {
				mustDeny(t, login(c, typed, testbed.SeedPassword(tt.account)), tt.right)
			}
			mustDeny(t, login(c, tt.account, "wrong"), tt.wrong)
		})
	}
	mustGrant(t, c, "alice", "alice")
}

// TestStateChangesAreSeenAtOnce: also by a connector that remembers the person,
// because the account's state is always the directory's of this moment.
func TestStateChangesAreSeenAtOnce(t *testing.T) {
	s := testbed.StartSamba(t)
	setLockout(s)
	c := connect(t, settings(s), ldap.Deps{Lookups: cache.NewMemory(1<<20, time.Now), LookupTTL: time.Hour})
	password := testbed.SeedPassword("alice")
	mustGrant(t, c, "alice", "alice")

	s.Tool("user", "disable", "alice")
	mustDeny(t, login(c, "alice", password), connectors.AccountDisabled)
	s.Tool("user", "enable", "alice")
	mustGrant(t, c, "alice", "alice")

	for range 3 { // the answer to the last one may know of the lock already
		mustBe(t, login(c, "alice", "wrong"), connectors.KindDenied)
	}
	mustDeny(t, login(c, "alice", password), connectors.AccountLocked)
	s.Tool("user", "unlock", "alice")
	mustGrant(t, c, "alice", "alice")

	s.Tool("user", "setpassword", "alice", "--newpassword=another one")
	if out := login(c, "alice", "another one"); out.Kind() != connectors.KindGranted {
		t.Errorf("the new password: got %v", out)
	}
	s.Tool("user", "setexpiry", "alice", "--days=0")
	mustDeny(t, login(c, "alice", "another one"), connectors.AccountExpired)
	s.Tool("user", "delete", "alice")
	mustBe(t, login(c, "alice", "another one"), connectors.KindNotMine)
}

// TestWrongPasswordCountsOnce: one wrong login is one bad password in the
// directory's count, from the first login on and with the person remembered.
func TestWrongPasswordCountsOnce(t *testing.T) {
	s := testbed.StartSamba(t)
	setLockout(s)
	cold := connect(t, settings(s), ldap.Deps{})
	warm := connect(t, settings(s), ldap.Deps{Lookups: cache.NewMemory(1<<20, time.Now), LookupTTL: time.Hour})
	mustGrant(t, warm, "alice", "alice")
	for i, c := range []*ldap.Connector{cold, warm} {
		mustDeny(t, login(c, "alice", "wrong"), connectors.WrongPassword)
		if got, want := s.BadPasswords("alice"), string(rune('1'+i)); got != want {
			t.Errorf("the directory counts %s bad passwords, want %s", got, want)
		}
	}
	mustGrant(t, cold, "alice", "alice")
	if got := s.BadPasswords("alice"); got != "0" {
		t.Errorf("after a right password the directory counts %s", got)
	}
}

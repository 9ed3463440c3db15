package ldap_test

import (
	"testing"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/ldap"
	"drawbridge/e2e/testbed"
)

// TestBreakerRecovers: with the first host dead, logins go to the second one and
// the first is left alone; when it is back it is used again without a restart.
func TestBreakerRecovers(t *testing.T) {
	s, second := testbed.StartSlapd(t), testbed.StartSlapd(t)
	cfg := settings(s)
	cfg.LDAP.URLs = []string{s.URL(), second.URL()}
	c := connect(t, cfg, ldap.Deps{})
	state := func() ldap.BreakerState { return c.Stats().Hosts[0].Breaker }
	mustGrant(t, c, "alice")
	s.Stop()
	mustGrant(t, c, "alice")
	if state() == ldap.BreakerClosed {
		t.Error("the breaker of a dead host is closed")
	}
	mustDeny(t, login(c, "alice", "wrong"), connectors.WrongPassword)
	s.Start()
	binds := s.Binds()
	eventually(t, "the first host is used again", func() bool {
		mustGrant(t, c, "alice")
		return state() == ldap.BreakerClosed
	})
	mustGrant(t, c, "alice")
	if s.Binds() == binds {
		t.Error("the first host saw no bind")
	}
}

// TestOutageThenRecovery of the only host: however long it was away, the first
// login after its return is granted.
func TestOutageThenRecovery(t *testing.T) {
	s := testbed.StartSlapd(t)
	cfg := settings(s)
	cfg.LDAP.Groups.Mode = configs.GroupsMemberOf
	c := connect(t, cfg, ldap.Deps{})
	s.Stop()
	for range 20 {
		mustBe(t, login(c, "alice", testbed.SeedPassword("alice")), connectors.KindUnavailable)
	}
	if got := c.Stats().Hosts[0].Breaker; got != ldap.BreakerOpen {
		t.Errorf("the breaker is %s", got)
	}
	s.Start()
	mustGrant(t, c, "alice")
}

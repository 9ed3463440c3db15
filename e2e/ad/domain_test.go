package ad_test

import (
	"net"
	"net/netip"
	"testing"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/ldap"
	"drawbridge/e2e/testbed"
)

// TestControllersFromDNS: a domain has _ldap._tcp records alone, with port 389. The
// controllers they name are asked on 636, with the certificate of each; one is
// killed and the other answers.
func TestControllersFromDNS(t *testing.T) {
	dns := testbed.StartDNS(t)
	first, second, cfg := pair(t)
	dns.SetAddress("dc1.ad.example", netip.MustParseAddr(first.Host))
	dns.SetAddress("dc2.ad.example", netip.MustParseAddr(second.Host))
	records := []net.SRV{
		{Target: "dc1.ad.example", Port: 389, Weight: 100}, {Target: "dc2.ad.example", Port: 389, Priority: 1, Weight: 100},
	}
	dns.SetSRV("_ldap._tcp.ad.example", records...)
	dns.SetSRV("_ldap._tcp.Berlin._sites.ad.example", records[1])

	cfg.LDAP.Groups = configs.LDAPGroups{Mode: configs.GroupsADNested, BaseDN: first.BaseDN, NameAttr: "cn"}

	cfg.LDAP.URLs = []string{"ldaps+srv://ad.example"}
	c := connect(t, cfg, ldap.Deps{Resolver: dns.Resolver()})
	mustGrant(t, c, "alice", "alice")
	hosts := c.Stats().Hosts
	if len(hosts) != 2 || hosts[0].Host != "dc1.ad.example:636" || hosts[1].Host != "dc2.ad.example:636" {
		t.Errorf("the controllers are %+v", hosts)
	}
	first.Kill()
	mustGrant(t, c, "alice", "alice")
	mustDeny(t, login(c, "alice", "wrong"), connectors.WrongPassword)
	mustBe(t, login(c, "nobody", "wrong"), connectors.KindNotMine)

	cfg.LDAP.URLs = []string{"ldaps+srv://Berlin._sites.ad.example"}
	site := connect(t, cfg, ldap.Deps{Resolver: dns.Resolver()})
	mustGrant(t, site, "alice", "alice")
	if hosts := site.Stats().Hosts; len(hosts) != 1 || hosts[0].Host != "dc2.ad.example:636" {
		t.Errorf("the controllers of the site are %+v", hosts)
	}
}

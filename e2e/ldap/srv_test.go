package ldap_test

import (
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/ldap"
	"drawbridge/e2e/testbed"
)

const (
	ldapsRecords = "_ldaps._tcp.corp.example"
	ldapRecords  = "_ldap._tcp.corp.example"
	// stale is longer than an answer of DNS is used without asking again, and than a
	// breaker stays open after one failure.
	stale = 2 * time.Minute
)

// clock is one that a test moves; sockets keep real time.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// named starts a slapd whose certificate is for the name, which DNS knows.
func named(t *testing.T, dns *testbed.DNS, name string) *testbed.Slapd {
	t.Helper()
	dns.SetAddress(name, netip.MustParseAddr("127.0.0.1"))
	return testbed.StartSlapd(t, testbed.CertifiedFor(name))
}

// record is the SRV record of a server's LDAPS port.
func record(s *testbed.Slapd, name string, priority uint16) net.SRV {
	_, port := s.Ports()
	return net.SRV{Target: name, Port: port, Priority: priority, Weight: 100}
}

// trust lets the connector trust the authorities of all servers.
func trust(t *testing.T, cfg *configs.Connector, servers ...*testbed.Slapd) {
	t.Helper()
	var files []string
	for _, s := range servers {
		files = append(files, s.CAFile)
	}
	cfg.LDAP.CAFile = filepath.Join(t.TempDir(), "all.pem")
	writeBoth(t, cfg.LDAP.CAFile, files...)
}

// TestDomain: the servers come from a real name server. One is killed, another
// takes over; DNS fails and nobody notices; a new server is found without a restart.
func TestDomain(t *testing.T) {
	dns := testbed.StartDNS(t)
	first, second, third := named(t, dns, "ldap1.corp.example"), named(t, dns, "ldap2.corp.example"), named(t, dns, "ldap3.corp.example")
	dns.SetSRV(ldapsRecords, record(second, "ldap2.corp.example", 10), record(first, "ldap1.corp.example", 0))
	cfg, now := settings(first), &clock{}
	cfg.LDAP.URLs = []string{"ldaps+srv://corp.example"}
	trust(t, &cfg, first, second, third)
	c := connect(t, cfg, ldap.Deps{Resolver: dns.Resolver(), Clock: now.now})

	mustGrant(t, c, "alice")
	mustDeny(t, login(c, "bob", "wrong"), connectors.WrongPassword)
	if first.Binds() == 0 || second.Binds() != 0 {
		t.Errorf("%d binds at priority 0, %d at priority 10", first.Binds(), second.Binds())
	}
	if n := dns.Questions(ldapsRecords); n != 1 {
		t.Errorf("two logins asked DNS %d times", n)
	}

	first.Kill()
	mustGrant(t, c, "alice")
	mustDeny(t, login(c, "bob", "wrong"), connectors.WrongPassword)
	mustBe(t, login(c, "nobody", "wrong"), connectors.KindNotMine)
	if got := c.Stats().Hosts[0].Breaker; got == ldap.BreakerClosed {
		t.Error("the breaker of the killed server is closed")
	}

	dns.Stop()
	for range 3 {
		now.advance(stale)
		mustGrant(t, c, "alice")
	}
	dns.Start()
	dns.SetSRV(ldapsRecords, record(third, "ldap3.corp.example", 0), record(second, "ldap2.corp.example", 10))
	eventually(t, "the new server is used", func() bool {
		now.advance(stale)
		mustGrant(t, c, "alice")
		return third.Binds() > 0
	})
	if len(c.Stats().Hosts) != 2 {
		t.Errorf("the servers are %+v", c.Stats().Hosts)
	}
}

// TestDomainWithStartTLS asks for plain records and encrypts.
func TestDomainWithStartTLS(t *testing.T) {
	dns := testbed.StartDNS(t)
	s := named(t, dns, "ldap1.corp.example")
	plain, _ := s.Ports()
	dns.SetSRV(ldapRecords, net.SRV{Target: "ldap1.corp.example", Port: plain})
	cfg := settings(s)
	cfg.LDAP.URLs, cfg.LDAP.StartTLS, cfg.LDAP.CAFile = []string{"ldap+srv://corp.example"}, true, s.CAFile
	c := connect(t, cfg, ldap.Deps{Resolver: dns.Resolver()})
	mustGrant(t, c, "alice")
	mustDeny(t, login(c, "alice", "wrong"), connectors.WrongPassword)
}

// TestForgedDNS: who answers in the name server's place gets no password: neither
// with a server elsewhere that has a good certificate for its own name, nor with a
// name in the domain and another's certificate.
func TestForgedDNS(t *testing.T) {
	for name, forge := range map[string]func(*testbed.DNS, *testbed.Slapd){
		"a server elsewhere": func(dns *testbed.DNS, evil *testbed.Slapd) {
			dns.SetSRV(ldapsRecords, record(evil, "evil.example", 0))
		},
		"a name in the domain": func(dns *testbed.DNS, evil *testbed.Slapd) {
			dns.SetAddress("ldap9.corp.example", netip.MustParseAddr("127.0.0.1"))
			dns.SetSRV(ldapsRecords, record(evil, "ldap9.corp.example", 0))
		},
		"no LDAPS": func(dns *testbed.DNS, evil *testbed.Slapd) {
			plain, _ := evil.Ports()
			dns.SetAddress("ldap9.corp.example", netip.MustParseAddr("127.0.0.1"))
			dns.SetSRV(ldapsRecords, net.SRV{Target: "ldap9.corp.example", Port: plain})
		},
	} {
		t.Run(name, func(t *testing.T) {
			dns := testbed.StartDNS(t)
			evil := named(t, dns, "evil.example")
			forge(dns, evil)
			cfg := settings(evil)
			cfg.Timeout = 2 * time.Second
			cfg.LDAP.URLs, cfg.LDAP.CAFile = []string{"ldaps+srv://corp.example"}, evil.CAFile
			mustBe(t, login(connect(t, cfg, ldap.Deps{Resolver: dns.Resolver()}), "alice", testbed.SeedPassword("alice")), connectors.KindUnavailable)
			if n := evil.Binds(); n != 0 {
				t.Errorf("the service account's password was sent %d times", n)
			}
			if dns.Questions(ldapsRecords) == 0 {
				t.Error("DNS was not asked: the test shows nothing")
			}
		})
	}
}

// TestDomainWithoutDNS answers in time, and works when DNS does.
func TestDomainWithoutDNS(t *testing.T) {
	dns := testbed.StartDNS(t)
	s, now := named(t, dns, "ldap1.corp.example"), &clock{}
	dns.SetSRV(ldapsRecords, record(s, "ldap1.corp.example", 0))
	dns.Stop()
	cfg := settings(s)
	cfg.LDAP.URLs, cfg.LDAP.CAFile = []string{"ldaps+srv://corp.example"}, s.CAFile
	c := connect(t, cfg, ldap.Deps{Resolver: dns.Resolver(), Clock: now.now})
	mustBe(t, login(c, "alice", testbed.SeedPassword("alice")), connectors.KindUnavailable)
	mustBe(t, c.Lookup(t.Context(), "alice"), connectors.KindUnavailable)
	dns.Start()
	now.advance(stale)
	mustGrant(t, c, "alice")
}
